"""Draw the suite: start and end of one episode of each task, solved by the expert.

python -m vla_bench.envs.tabletop.contact_sheet docs/images/widowx_suite.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.tasks.registry import TASKS
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import EnvError
from vla_bench.protocols import Image

SIZE = (320, 240)  # of one picture, width and height
SUPERSAMPLING = 2
EPISODE = 8
CAPTION = 18  # pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="where to write the PNG")
    out = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet().save(out, optimize=True)
    print(f"wrote {out}, {out.stat().st_size // 1000} kB")


def contact_sheet() -> PillowImage.Image:
    """One column per task: start above, end below, the instruction underneath."""
    width, height = SIZE
    sheet = PillowImage.new("RGB", (len(TASKS) * width, 2 * height + CAPTION), "white")
    large = [SUPERSAMPLING * pixels for pixels in SIZE]
    env = TabletopEnv(
        list(TASKS), EPISODE + 1, [0], large, "default", layouts="official", variation="none"
    )
    pen = ImageDraw.Draw(sheet)
    for column, (name, task) in enumerate(TASKS.items()):
        pictures = _start_and_end(env, EpisodeSpec(name, name, EPISODE, 0))
        for row, picture in enumerate(pictures):
            small = PillowImage.fromarray(picture).resize(SIZE, PillowImage.Resampling.BOX)
            sheet.paste(small, (column * width, row * height))
        pen.text((column * width + 6, 2 * height + 3), task.instruction, fill="black")
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
