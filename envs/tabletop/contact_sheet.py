"""Draw the suites: start and end of one episode of each task, solved by the expert.

python -m vla_bench.envs.tabletop.contact_sheet docs/images/suite.png
python -m vla_bench.envs.tabletop.contact_sheet docs/images/widowx_suite.png \
widowx_simpler_tabletop-v0
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES, Suite
from vla_bench.envs.tabletop.tasks.task import Task
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
    arguments = parser.parse_args()
    out = arguments.out
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet([SUITES[name] for name in arguments.suites or EVERYWHERE])
    colours = PillowImage.Quantize.MAXCOVERAGE  # keeps the small objects' own
    sheet.quantize(256, colours, kmeans=3).save(out, optimize=True)
    print(f"wrote {out}, {out.stat().st_size // 1000} kB")


def contact_sheet(suites: Sequence[Suite]) -> PillowImage.Image:
    """The suites below one another."""
    parts = [_part(suite) for suite in suites]
    size = (max(part.width for part in parts), sum(part.height for part in parts))
    sheet, top = PillowImage.new("RGB", size, "white"), 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


def _part(suite: Suite) -> PillowImage.Image:
    """`COLUMNS` tasks to a band: start above, end below, instruction and name underneath."""
    (width, height), n_tasks = SIZE, len(suite.tasks)
    band = 2 * height + CAPTION
    size = (min(n_tasks, COLUMNS) * width, TITLE + -(-n_tasks // COLUMNS) * band)
    part = PillowImage.new("RGB", size, "white")
    large = [SUPERSAMPLING * pixels for pixels in SIZE]
    env = TabletopEnv(list(suite.tasks), None, [0], large, "default", "official", "none")
    pen = ImageDraw.Draw(part)
    pen.text((6, TITLE - 8), suite.name, "black", ImageFont.load_default(24), anchor="ls")
    for number, (name, task) in enumerate(suite.tasks.items()):
        left, top = number % COLUMNS * width, TITLE + number // COLUMNS * band
        index = min(EPISODE, len(task.layouts) - 1)
        pictures = _start_and_end(env, EpisodeSpec(name, name, index, 0))
        for row, picture in enumerate(pictures):
            small = PillowImage.fromarray(picture).resize(SIZE, PillowImage.Resampling.BOX)
            part.paste(small, (left, top + row * height))
        below = top + 2 * height
        pen.text(
            (left + 6, below + 2),
            task.asked(index).instruction,
            "black",
            ImageFont.load_default(15),
        )
        pen.text((left + 6, below + 20), name, "dimgray", ImageFont.load_default(12))
    env.close()
    return part


def _words(task: Task) -> str:
    """Both instructions, where a task has two stages."""
    return task.instruction if task.then is None else f"{task.instruction}; {task.then.instruction}"


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
