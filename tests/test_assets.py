"""`vla-bench assets`: resumed, checked, clear when it fails; against a server on this machine."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from vla_bench import assets, cli, download
from vla_bench.assets import ENVIRONMENT, Asset, Collection, asset, git_blob_id, named_collection
from vla_bench.errors import ConfigError, MissingDependencyError

FILES = {"LICENSE": b"do as you like", "data/a b.png": b"\x89PNG" * 50_000, "data/c.dae": b"<x/>"}


class Upstream(ThreadingHTTPServer):
    """Serves `FILES`; remembers what was asked; may break off or serve something else."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(FILES)
        self.asked: list[tuple[str, str]] = []
        self.breaks_after: int | None = None
        self.knows_ranges = True


class Handler(BaseHTTPRequestHandler):
    server: Upstream

    def do_GET(self) -> None:
        path = self.path.lstrip("/").replace("%20", " ")
        wanted = self.headers.get("Range", "bytes=0-")
        self.server.asked.append((path, wanted))
        if path not in self.server.files:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if self.server.knows_ranges else 0
        content = self.server.files[path][start:]
        if start and not content:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.server.breaks_after is not None:
            content, self.server.breaks_after = content[: self.server.breaks_after], None
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def collection(upstream: Upstream) -> Collection:
    def blob(content: bytes) -> str:
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    listed = [Asset(blob(content), len(content), path) for path, content in FILES.items()]
    listed[2] = replace(listed[2], n_bytes=None)
    return Collection("toy", f"http://127.0.0.1:{upstream.server_port}", "any", tuple(listed))


def quiet() -> Console:
    return Console(file=io.StringIO())


def test_every_file_arrives_as_it_is_and_nothing_else(
    tmp_path: Path, collection: Collection
) -> None:
    done = download.download(collection, tmp_path, quiet())
    assert (done.folder, done.n_files, done.n_new) == (tmp_path / "toy", 3, 3)
    arrived = {
        str(path.relative_to(tmp_path / "toy")): path.read_bytes()
        for path in (tmp_path / "toy").rglob("*")
        if path.is_file()
    }
    assert arrived == FILES


def test_a_second_run_asks_for_nothing_but_what_is_missing_or_damaged(
    tmp_path: Path, upstream: Upstream, collection: Collection
) -> None:
    download.download(collection, tmp_path, quiet())
    upstream.asked.clear()
    assert download.download(collection, tmp_path, quiet()).n_new == 0
    assert upstream.asked == []
    (tmp_path / "toy/LICENSE").write_bytes(b"do as YOU like")
    (tmp_path / "toy/data/c.dae").unlink()
    assert download.download(collection, tmp_path, quiet()).n_new == 2
    assert {path for path, _ in upstream.asked} == {"LICENSE", "data/c.dae"}
    assert (tmp_path / "toy/LICENSE").read_bytes() == FILES["LICENSE"]


def test_a_broken_connection_is_taken_up_where_it_broke(
    tmp_path: Path, upstream: Upstream, collection: Collection
) -> None:
    only = replace(collection, assets=collection.assets[1:2])
    upstream.breaks_after = 70_000
    download.download(only, tmp_path, quiet())
    assert upstream.asked == [("data/a b.png", "bytes=0-"), ("data/a b.png", "bytes=70000-")]
    assert (tmp_path / "toy/data/a b.png").read_bytes() == FILES["data/a b.png"]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_an_interrupted_run_is_taken_up_even_where_the_server_starts_over(
    tmp_path: Path, upstream: Upstream, collection: Collection, knows_ranges: bool
) -> None:
    upstream.knows_ranges = knows_ranges
    whole = tmp_path / "toy/data/a b.png"
    whole.parent.mkdir(parents=True)
    whole.with_name("a b.png.part").write_bytes(FILES["data/a b.png"][:1000])
    download.download(collection, tmp_path, quiet())
    assert whole.read_bytes() == FILES["data/a b.png"]
    assert ("data/a b.png", "bytes=1000-") in upstream.asked


def test_a_part_that_is_complete_only_needs_its_name(
    tmp_path: Path, collection: Collection
) -> None:
    whole = tmp_path / "toy/data/c.dae"
    whole.parent.mkdir(parents=True)
    whole.with_name("c.dae.part").write_bytes(FILES["data/c.dae"])
    download.download(collection, tmp_path, quiet())
    assert whole.read_bytes() == FILES["data/c.dae"]
    assert not whole.with_name("c.dae.part").exists()


def test_another_file_than_the_commits_is_refused_and_not_kept(
    tmp_path: Path, upstream: Upstream, collection: Collection
) -> None:
    upstream.files["LICENSE"] = b"do as we like"
    with pytest.raises(download.DownloadError, match="is not the file that was expected"):
        download.download(collection, tmp_path, quiet())
    assert not list((tmp_path / "toy").glob("LICENSE*"))


def test_a_file_that_is_gone_is_named(
    tmp_path: Path, upstream: Upstream, collection: Collection
) -> None:
    del upstream.files["data/c.dae"]
    with pytest.raises(download.DownloadError) as raised:
        download.download(collection, tmp_path, quiet())
    assert str(raised.value) == (
        f"Cannot download {collection.url}/data/c.dae: HTTP Error 404: Not Found. Check the "
        "connection (a proxy goes into HTTPS_PROXY) and run the command again: it goes on where "
        "it stopped."
    )


def test_no_connection_is_an_error_after_a_few_attempts(
    tmp_path: Path, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    nowhere = replace(collection, url="http://127.0.0.1:9", assets=collection.assets[:1])
    with pytest.raises(
        download.DownloadError, match=r"Cannot download http://127\.0\.0\.1:9/LICENSE"
    ):
        download.download(nowhere, tmp_path, quiet())
    assert len(waits) == download.N_ATTEMPTS - 1


def test_a_folder_that_cannot_be_written_is_an_error_that_says_so(
    tmp_path: Path, collection: Collection
) -> None:
    (tmp_path / "toy").write_text("a file, not a folder")
    with pytest.raises(download.DownloadError, match=r"Choose another folder: --to"):
        download.download(collection, tmp_path, quiet())


def test_the_verb_downloads_and_says_what_to_type_next(
    tmp_path: Path,
    collection: Collection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(assets, "named_collection", lambda _: collection)
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "elsewhere"))
    cli.main(["assets", "toy", "--to", str(tmp_path)])
    said = capsys.readouterr().out
    assert f"3 of 3 files downloaded to {tmp_path}/toy" in said
    assert f"Now type: export VLA_BENCH_ASSETS={tmp_path}" in said
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    cli.main(["assets", "toy"])
    said = capsys.readouterr().out
    assert f"0 of 3 files downloaded to {tmp_path}/toy" in said
    assert "Now type" not in said
    assert asset("toy", "LICENSE").read_bytes() == FILES["LICENSE"]
    with pytest.raises(MissingDependencyError, match="vla-bench assets toy --to"):
        asset("toy", "data/d.dae")


def test_an_unknown_collection_or_argument_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'simpler'"):
        named_collection("simplr")
    with pytest.raises(SystemExit):
        cli.main(["assets"])


def test_simplers_list_is_of_one_commit_and_agrees_with_the_copy_that_is_here(
    shared: Path,
) -> None:
    collection = named_collection("simpler")
    assert collection.url.endswith(assets.COMMIT)
    assert len({listed.path for listed in collection.assets}) == len(collection.assets) == 242
    here = [x for x in collection.assets if (shared / "assets/simpler" / x.path).is_file()]
    assert len(here) > 200
    for listed in here[::5]:
        assert git_blob_id(shared / "assets/simpler" / listed.path) == listed.blob
