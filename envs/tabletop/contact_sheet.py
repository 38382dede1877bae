"""Draw the suites: start and end of one episode of each task, or a start under each variation.

python -m vla_bench.envs.tabletop.contact_sheet docs/images/suite.png
python -m vla_bench.envs.tabletop.contact_sheet docs/images/widowx_suite.png \
widowx_simpler_tabletop-v0
python -m vla_bench.envs.tabletop.contact_sheet docs/images/variant_aggregation.png \
google_robot_simpler_tabletop-v0 --variation variant_aggregation
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES, Suite
from vla_bench.envs.tabletop.variations.variation import NOMINAL
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import EnvError
from vla_bench.protocols import Image

SIZE = (320, 240)  # of one picture, width and height
SUPERSAMPLING = 2
EPISODE = 8  # the last one, where a task has fewer
COLUMNS = 6
CAPTION = 40  # pixels: the instruction, the task's name
TITLE = 40  # pixels: the suite's name
EVERYWHERE = [name for name, suite in SUITES.items() if suite.require is None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="where to write the PNG")
    parser.add_argument(
        "suites", nargs="*", help="names; none: all that need no downloaded files", metavar="suite"
    )
    parser.add_argument(
        "--variation", default=NOMINAL.name, help="as env.variation: draw a start under each"
    )
    arguments = parser.parse_args()
    out = arguments.out
    out.parent.mkdir(parents=True, exist_ok=True)
    suites = [SUITES[name] for name in arguments.suites or EVERYWHERE]
    sheet = contact_sheet(suites, arguments.variation)
    colours = PillowImage.Quantize.MAXCOVERAGE  # keeps the small objects' own
    sheet.quantize(256, colours, kmeans=3).save(out, optimize=True)
    print(f"wrote {out}, {out.stat().st_size // 1000} kB")


def contact_sheet(suites: Sequence[Suite], variation: str = NOMINAL.name) -> PillowImage.Image:
    """The suites below one another: tasks from start to end, or starts under `variation`."""
    parts = [_part(suite, variation) for suite in suites]
    size = (max(part.width for part in parts), sum(part.height for part in parts))
    sheet, top = PillowImage.new("RGB", size, "white"), 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


@dataclass(frozen=True)
class _Cell:
    """`pictures` one above the other; underneath, a `caption` and a `note`."""

    pictures: Sequence[Image]
    caption: str
    note: str


def _part(suite: Suite, variation: str) -> PillowImage.Image:
    """`COLUMNS` cells to a band."""
    large = [SUPERSAMPLING * pixels for pixels in SIZE]
    env = TabletopEnv(list(suite.tasks), None, [0], large, "default", "official", variation)
    cells = _tasks(env, suite) if variation == NOMINAL.name else _variations(env, suite)
    env.close()
    (width, height), n_cells = SIZE, len(cells)
    band = len(cells[0].pictures) * height + CAPTION
    size = (min(n_cells, COLUMNS) * width, TITLE + -(-n_cells // COLUMNS) * band)
    part = PillowImage.new("RGB", size, "white")
    pen = ImageDraw.Draw(part)
    pen.text((6, TITLE - 8), suite.name, "black", ImageFont.load_default(24), anchor="ls")
    for number, cell in enumerate(cells):
        left, top = number % COLUMNS * width, TITLE + number // COLUMNS * band
        for row, picture in enumerate(cell.pictures):
            small = PillowImage.fromarray(picture).resize(SIZE, PillowImage.Resampling.BOX)
            part.paste(small, (left, top + row * height))
        below = top + band - CAPTION
        pen.text((left + 6, below + 2), cell.caption, "black", ImageFont.load_default(15))
        pen.text((left + 6, below + 20), cell.note, "dimgray", ImageFont.load_default(12))
    return part


def _tasks(env: TabletopEnv, suite: Suite) -> list[_Cell]:
    cells = []
    for name, task in suite.tasks.items():
        index = min(EPISODE, len(task.layouts) - 1)
        pictures = _start_and_end(env, EpisodeSpec(name, name, index, 0))
        cells.append(_Cell(pictures, task.asked(index).instruction, name))
    return cells


def _variations(env: TabletopEnv, suite: Suite) -> list[_Cell]:
    """The start of the first task that each planned variation applies to."""
    cells = []
    first = {spec.variation: spec.task for spec in reversed(env.episodes())}
    for variation, name in reversed(first.items()):
        index = min(EPISODE, len(suite.tasks[name].layouts) - 1)
        env.reset(EpisodeSpec(name, name, index, 0, variation))
        seen = env.observe(env.cameras[:1], privileged=False)
        cells.append(_Cell(tuple(seen.images.values()), variation.partition("/")[2], name))
    return cells


def _start_and_end(env: TabletopEnv, spec: EpisodeSpec) -> tuple[Image, Image]:
    """Raises EnvError when the expert fails: a picture of a failure would mislead."""
    camera = env.cameras[0]
    env.reset(spec)
    start = env.observe([camera], privileged=False).images[camera]
    while True:
        step = env.step(env.observe([], privileged=True).privileged["expert_action"])
        if step.truncated:
            break
    if not step.success:
        raise EnvError(f"The expert failed episode {spec.index} of {spec.task}.")
    return start, np.array(env.observe([camera], privileged=False).images[camera])


if __name__ == "__main__":
    main()
