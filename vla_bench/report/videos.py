"""Which videos the page shows, and how: inside the page up to a limit, linked beyond it."""

from __future__ import annotations

import base64
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vla_bench.episode import EpisodeRecord
from vla_bench.store import Run

PER_OUTCOME = 2
"""At most so many successes, and so many failures, per env, task and policy."""

EMBEDDED_BYTES = 25_000_000
"""Videos beyond this sum, in the order of the page, are linked: mail servers and issue trackers
refuse larger attachments. In base64 the page grows by 4/3 of it."""


@dataclass(frozen=True)
class Clip:
    """One video of the page.

    Attributes:
        source: A data URI, or a path relative to the page.
        poster: The last frame as a data URI: what the outcome was judged on.
        embedded: Whether the page carries the video itself.
    """

    policy: str
    env: str
    record: EpisodeRecord
    source: str
    poster: str
    embedded: bool


def clips(runs: Sequence[Run], page_folder: Path) -> Iterator[Clip]:
    """The chosen videos, in the order of runs and plans; those that cannot be played left out."""
    shown: Counter[tuple[str, ...]] = Counter()
    room = EMBEDDED_BYTES
    for run in runs:
        policy, env = run.identity["policy"]["name"], run.identity["env"]["name"]
        for spec in run.plan:
            record, path = run.records.get(spec.id), run.video(spec.id)
            if record is None or not path.is_file():
                continue
            kind = (policy, env, spec.variation, spec.task, record.outcome.value)
            if shown[kind] == PER_OUTCOME or (poster := _last_frame(path)) is None:
                continue
            shown[kind] += 1
            embedded = path.stat().st_size <= room
            if embedded:
                room -= path.stat().st_size
                source = _data_uri("video/mp4", path.read_bytes())
            else:
                source = Path(os.path.relpath(path, page_folder)).as_posix()
            yield Clip(policy, env, record, source, poster, embedded)


def _last_frame(path: Path) -> str | None:
    """As a JPEG data URI; None when the file holds no video (its writer was killed)."""
    import av
    from PIL import Image

    try:
        with av.open(str(path)) as container:
            frame = None
            for frame in container.decode(video=0):  # noqa: B007 - wanted after the loop
                pass
    except (av.FFmpegError, IndexError):
        return None
    if frame is None:
        return None
    stream = io.BytesIO()
    Image.fromarray(frame.to_ndarray(format="rgb24")).save(stream, format="JPEG", quality=85)
    return _data_uri("image/jpeg", stream.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
