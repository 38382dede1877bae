"""`vla-bench assets NAME`: bring a collection of files here, each checked against its commit.

Interrupted downloads go on where they stopped; files that are there and right are not asked for.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from vla_bench.assets import Asset, Collection, git_blob_id
from vla_bench.errors import VlaBenchError

N_CONNECTIONS = 8
N_ATTEMPTS = 4  # of one file, each going on where the one before broke off
TIMEOUT_SECONDS = 30.0
BLOCK = 1 << 16
NOT_SATISFIABLE = 416  # HTTP: there is nothing behind the bytes that are here already
PARTIAL = 206  # HTTP: the answer goes on where we asked


class DownloadError(VlaBenchError):
    """A file could not be brought here, or is not the file that was asked for."""


@dataclass(frozen=True)
class Downloaded:
    """What a download did: `folder` is the collection's, `n_new` of `n_files` were brought."""

    folder: Path
    n_files: int
    n_new: int


def download(collection: Collection, to: Path, console: Console) -> Downloaded:
    """Bring all of `collection` to the folder `to`/name, with a progress bar on a terminal.

    Raises DownloadError when a file cannot be had or is another one; what has come stays.
    """
    folder = to / collection.name
    missing = [asset for asset in collection.assets if not _is_there(asset, folder)]
    n_bytes = sum(asset.n_bytes or 0 for asset in missing)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
        ThreadPoolExecutor(N_CONNECTIONS) as pool,
    ):
        row = bar.add_task(f"{len(missing)} files", total=n_bytes)

        def bring(asset: Asset) -> None:
            _bring(asset, collection.url, folder, lambda n: bar.advance(row, n))

        jobs = [pool.submit(bring, asset) for asset in missing]
        try:
            for job in jobs:
                job.result()
        finally:  # after a failure nothing further is begun
            pool.shutdown(wait=False, cancel_futures=True)
    return Downloaded(folder, len(collection.assets), len(missing))


def _is_there(asset: Asset, folder: Path) -> bool:
    path = folder / asset.path
    if not path.is_file() or asset.n_bytes not in (None, path.stat().st_size):
        return False
    return git_blob_id(path) == asset.blob


def _bring(asset: Asset, url: str, folder: Path, advance: Callable[[int], None]) -> None:
    """Download one file beside its place, check it, move it there."""
    path = folder / asset.path
    source = f"{url}/{urllib.parse.quote(asset.path)}"
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(source, part, advance)
        blob = git_blob_id(part)
        if blob == asset.blob:
            part.replace(path)
            return
        part.unlink()
    except OSError as error:
        raise DownloadError(
            f"Cannot write {part}: {error}. Choose another folder: --to."
        ) from error
    raise DownloadError(
        f"{source} is not the file that was expected: its git id is {blob}, not {asset.blob}. "
        "Nothing of it was kept. Run the command again; if it stays so, something between here "
        "and there alters files."
    )


def _download(source: str, part: Path, advance: Callable[[int], None]) -> None:
    """Append to `part` what it lacks of `source`."""
    for attempt in range(1, N_ATTEMPTS + 1):
        try:
            _append(source, part, advance)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == NOT_SATISFIABLE:
                return
            if error.code < 500 or attempt == N_ATTEMPTS:
                raise _failed(source, error) from error
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            if attempt == N_ATTEMPTS:
                raise _failed(source, error) from error
        else:
            return
        time.sleep(0.1 * 2**attempt)


def _append(source: str, part: Path, advance: Callable[[int], None]) -> None:
    n_here = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(source, headers={"Range": f"bytes={n_here}-"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        goes_on = answer.status == PARTIAL
        advance(n_here if goes_on else 0)
        with part.open("ab" if goes_on else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                advance(len(block))
        expected = answer.headers.get("Content-Length")
        n_read = part.stat().st_size - (n_here if goes_on else 0)
        if expected is not None and n_read < int(expected):
            raise HTTPException(f"the connection broke off after {n_read} of {expected} bytes")


def _failed(source: str, error: Exception) -> DownloadError:
    return DownloadError(
        f"Cannot download {source}: {error}. Check the connection (a proxy goes into "
        "HTTPS_PROXY) and run the command again: it goes on where it stopped."
    )
