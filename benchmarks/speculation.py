"""Would the previous action be a good draft of the next one? Counted on the small bundled OpenVLA.

    python benchmarks/speculation.py [--write]

Lossless speculative decoding: the decoder is shown the previous action's tokens after the prompt
and keeps those that it would have picked itself, so that the first pass gives one token more than
were accepted. Since only the model's own picks are kept, the actions are those of plain decoding,
and how many passes each would have taken can be counted afterwards:

- plain: one per token, the first over image and prompt.
- draft once: after the first token that was refused, one pass per token.
- draft again: after a refused token, the rest of the draft is shown again behind the right one.

The first eight episodes of each of the WidowX suite's tasks, as `policy=openvla_mini_widowx` acts
in them. Solved ones count up to their success, for an arm at rest repeats itself; failed ones count
whole and apart, for a policy that is stuck repeats itself, too. The last line is JSON with every
figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from record import arguments, finish

from vla_bench.construct import construct
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.episode import EpisodeSpec
from vla_bench.policies.openvla import OpenVLA
from vla_bench.policies.openvla.pretrained import Options
from vla_bench.policies.openvla.robots import RobotConvention

CAMERA = "3rd_view_camera"
ENV = {
    "_target_": "vla_bench.envs.tabletop.suite.TabletopEnv",
    "tasks": ["spoon_on_towel", "carrot_on_plate", "stack_cube", "eggplant_in_basket"],
    "n_episodes": 8,
    "seeds": [0],
    "image_size": [224, 224],
    "look": "default",
    "layouts": "official",
    "variation": "none",
}


Tokens = NDArray[np.int64]
"""(n_actions, n_tokens) of one episode."""


def main() -> None:
    options = arguments(__doc__).parse_args()
    torch.set_num_threads(1)
    decoding = Options(invalid_tokens="substitute")
    model = OpenVLA.from_pretrained("bundled:openvla_mini_widowx", options=decoding)
    env: TabletopEnv = construct(ENV)
    played: dict[str, list[Tokens]] = {"solved": [], "failed": []}
    for spec in env.episodes():
        success, tokens = play(env, spec, model)
        played["solved" if success else "failed"].append(tokens)
    env.close()
    figures = {k: v for label, e in played.items() for k, v in counts(label, e).items()}
    finish("speculation", figures, options.write)


def play(env: TabletopEnv, spec: EpisodeSpec, model: OpenVLA) -> tuple[bool, Tokens]:
    """Whether the episode succeeds, and its tokens until it does or ends."""
    convention, tokens = RobotConvention("as_trained", "none"), []
    env.reset(spec)
    while True:
        seen = env.observe((CAMERA,), privileged=False)
        prediction = model.predict([seen.images[CAMERA]], [seen.instruction])
        tokens += prediction.token_ids
        step = env.step(convention.convert(prediction.actions[0], {}))
        if step.success or step.terminated or step.truncated:
            return step.success, np.array(tokens)


def counts(label: str, episodes: Sequence[Tokens]) -> dict[str, float]:
    """Means over all actions that have one before them."""
    same = np.concatenate([tokens[1:] == tokens[:-1] for tokens in episodes])
    n_actions, n_tokens = same.shape
    accepted = np.cumprod(same, axis=1).sum(axis=1)
    once = 1 + np.maximum(n_tokens - 1 - accepted, 0)
    again = 1 + (~same[:, :-1]).sum(axis=1)  # a wrong last token is put right by its own pass
    shares = {f"{n} accepted, share": float((accepted == n).mean()) for n in range(n_tokens + 1)}
    alike = {f"token {i + 1} as before, share": x for i, x in enumerate(same.mean(axis=0))}
    found = {
        "episodes": len(episodes),
        "actions": n_actions,
        "accepted tokens per action": accepted.mean(),
        **shares,
        **alike,
        "passes per action, plain": n_tokens,
        "passes per action, draft once": once.mean(),
        "passes per action, draft again": again.mean(),
    }
    return {f"{label}, {name}": float(value) for name, value in found.items()}


if __name__ == "__main__":
    main()
