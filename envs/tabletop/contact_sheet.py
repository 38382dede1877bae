"""Draw a suite: start and end of one episode of each task, solved by the expert.

python -m vla_bench.envs.tabletop.contact_sheet docs/images/widowx_suite.png
python -m vla_bench.envs.tabletop.contact_sheet docs/images/bridge_suite.png bridge_v2_tabletop-v0
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES, WIDOWX_SIMPLER, Suite
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import EnvError
from vla_bench.protocols import Image

SIZE = (320, 240)  # of one picture, width and height
SUPERSAMPLING = 2
EPISODE = 8  # the last one, where a task has fewer
COLUMNS = 6
CAPTION = 18  # pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="where to write the PNG")
    parser.add_argument("suite", nargs="?", choices=SUITES, default=WIDOWX_SIMPLER.name)
    arguments = parser.parse_args()
    out = arguments.out
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet(SUITES[arguments.suite])
    colours = PillowImage.Quantize.MAXCOVERAGE  # keeps the small objects' own
    sheet.quantize(256, colours, kmeans=3).save(out, optimize=True)
    print(f"wrote {out}, {out.stat().st_size // 1000} kB")


def contact_sheet(suite: Suite) -> PillowImage.Image:
    """`COLUMNS` tasks to a band: start above, end below, the instruction underneath."""
    (width, height), n_tasks = SIZE, len(suite.tasks)
    band = 2 * height + CAPTION
    size = (min(n_tasks, COLUMNS) * width, -(-n_tasks // COLUMNS) * band)
    sheet = PillowImage.new("RGB", size, "white")
    large = [SUPERSAMPLING * pixels for pixels in SIZE]
    env = TabletopEnv(
        list(suite.tasks), None, [0], large, "default", layouts="official", variation="none"
    )
    pen = ImageDraw.Draw(sheet)
    for number, (name, task) in enumerate(suite.tasks.items()):
        left, top = number % COLUMNS * width, number // COLUMNS * band
        index = min(EPISODE, len(task.layouts) - 1)
        pictures = _start_and_end(env, EpisodeSpec(name, name, index, 0))
        for row, picture in enumerate(pictures):
            small = PillowImage.fromarray(picture).resize(SIZE, PillowImage.Resampling.BOX)
            sheet.paste(small, (left, top + row * height))
        pen.text((left + 6, top + 2 * height + 3), task.asked(index).instruction, fill="black")
    env.close()
    return sheet


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
