"""The `Policy` plug-in: OpenVLA over any mix of episodes, in one batch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vla_bench.actions import DELTA_TCP_POSE, ActionSpec
from vla_bench.errors import ConfigError
from vla_bench.policies.device import device_of
from vla_bench.policies.openvla.adapter import with_base
from vla_bench.policies.openvla.checkpoint import read_config
from vla_bench.policies.openvla.kernels import check_compiler
from vla_bench.policies.openvla.pretrained import OpenVLA, Options
from vla_bench.policies.openvla.resize import read_preparation
from vla_bench.policies.openvla.robots import RobotConvention, check_rotation
from vla_bench.policies.openvla.scratch import ModelSpec, config_of
from vla_bench.policies.openvla.source import identifying_files, locate, run_folder
from vla_bench.policies.openvla.statistics import choose_statistics
from vla_bench.policies.weights import fingerprint
from vla_bench.protocols import FloatArray, Request

SUBSTITUTED = "substituted_tokens"
"""Name of the count in `Request.counts`."""

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class OpenVLAPolicy:
    """One action per inference, from one camera and the instruction.

    The constructor's parameters are the keys of conf/policy/openvla.yaml, where each is explained.

    Attributes:
        name: After construction never None.
        n_substituted_tokens: Over the policy's life; see `invalid_tokens`.
    """

    name: str | None
    checkpoint: str
    adapter: str | None
    model: ModelSpec | None
    statistics_key: str | None
    precision: str
    device: str
    compile: bool
    prompt: str
    resize: str | None
    center_crop: bool | None
    box: Sequence[float] | None
    invalid_tokens: str
    camera: str
    robot: str
    sticky_gripper: str
    cameras: Sequence[str] = field(init=False)
    action_spec: ActionSpec = field(init=False, default=DELTA_TCP_POSE)
    history: int = field(init=False, default=1)
    n_substituted_tokens: int = field(init=False, default=0)
    weights: str = field(init=False)

    def __post_init__(self) -> None:
        self._convention = RobotConvention(self.robot, self.sticky_gripper)
        device = device_of(self.device)
        if self.compile:
            check_compiler(device)  # now, and not after a download
        self.cameras = (self.camera,)
        checkpoint, adapter = with_base(self.checkpoint, self.adapter)
        if self.name is None:
            self.name = self._name(checkpoint, adapter)
        named = [path for path in (adapter, checkpoint) if path is not None]
        folders = [locate(path) for path in named]
        self.weights = fingerprint([file for path in named for file in identifying_files(path)])
        self._check_model(folders[-1])
        check_rotation(folders, self._convention)
        options = Options(
            adapter,
            self.prompt,
            read_preparation(folders, self.resize, self.center_crop, self.box),
            self.invalid_tokens,
            self.compile,
        )
        self._model = OpenVLA.from_pretrained(
            checkpoint,
            device=device,
            dtype=self.precision,
            options=options,
        )
        self._check_statistics()

    def act(self, requests: Sequence[Request]) -> Sequence[FloatArray]:
        """One row (1, 7) per request; every request is answered in the same batch."""
        latest = [request.observations[-1] for request in requests]
        prediction = self._model.predict(
            [observation.images[self.camera] for observation in latest],
            [observation.instruction for observation in latest],
            self.statistics_key,
        )
        for request, n_substituted in zip(requests, prediction.n_substituted.tolist()):
            self._count(request, n_substituted)
        return [
            self._convention.convert(action, request.memory)[None]
            for action, request in zip(prediction.actions, requests)
        ]

    def _name(self, checkpoint: str | Path, adapter: str | None) -> str:
        weights = _called(checkpoint)
        if adapter is not None:
            weights += f"+{_called(adapter)}"
        prompt = "" if self.prompt == "template" else f" {self.prompt}"
        return f"{weights} {self.precision}{prompt}"

    def _check_model(self, folder: Path) -> None:
        if self.model is not None and read_config(folder) != config_of(self.model):
            raise ConfigError(
                f"{folder} is another model than policy.model says: {read_config(folder)}, "
                f"expected {config_of(self.model)}. Take what it is with policy.model=null."
            )

    def _check_statistics(self) -> None:
        statistics = choose_statistics(self._model.statistics, self.statistics_key)
        if statistics.dim != self.action_spec.dim:
            raise ConfigError(
                f"Statistics {self.statistics_key!r} have {statistics.dim} dimensions; robot "
                f"{self.robot} takes {self.action_spec.dim}: {', '.join(self.action_spec.names)}."
            )

    def _count(self, request: Request, n_substituted: int) -> None:
        if n_substituted:
            request.counts[SUBSTITUTED] = request.counts.get(SUBSTITUTED, 0) + n_substituted
            self.n_substituted_tokens += n_substituted
            _log.warning(
                "%s, %s: %d tokens stood for no action and were substituted (%d in all)",
                self.name,
                request.episode_id,
                n_substituted,
                self.n_substituted_tokens,
            )


def _called(weights: str | Path) -> str:
    """The folder's name; of what a training has written, the training's and the step's."""
    folder = Path(weights).expanduser()
    if folder.suffix == ".pt":
        return f"{run_folder(folder).resolve().name}_{folder.stem}"
    if folder.name != "policy":
        return folder.name
    step = folder.resolve().parent  # behind checkpoints/best, too
    return f"{step.parent.parent.name}_{step.name}" if step.name.startswith("step-") else "policy"
