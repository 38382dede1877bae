"""What a Diffusion Policy is, in numbers: plain frozen data that travels with every checkpoint.

Equal specs build equal networks. Values come from a YAML, from a checkpoint of ours (as JSON), or
from the configuration inside a published checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vla_bench.data.view import WHOLE, View
from vla_bench.errors import ConfigError, unknown_name


@dataclass(frozen=True)
class UnetSpec:
    """The CNN denoiser.

    Attributes:
        widths: Channels per level; the sequence length must divide by 2 ** (levels - 1).
        kernel_size: Odd; 5 in every published model.
        n_groups: Of the GroupNorms, except the output block's 8.
        step_embedding_dim: 256 for low-dimensional, 128 for image, 256 for DROID checkpoints.
        predicts_scale: Whether the condition scales as well as shifts (FiLM).
        local_condition_dim: Width of a per-time-step condition; None for all published policies.
    """

    widths: Sequence[int]
    kernel_size: int
    n_groups: int
    step_embedding_dim: int
    predicts_scale: bool
    local_condition_dim: int | None = None


@dataclass(frozen=True)
class TransformerSpec:
    """The transformer denoiser.

    Attributes:
        n_layers, n_heads, width: Of the decoder; 8, 4, 256 in Push-T.
        n_condition_layers: 0 encodes the condition by an MLP, else by a transformer encoder.
        embedding_dropout, attention_dropout: 0.0 and 0.3 by default upstream, 0.01 in Push-T.
    """

    n_layers: int
    n_heads: int
    width: int
    n_condition_layers: int
    embedding_dropout: float
    attention_dropout: float


@dataclass(frozen=True)
class VisionSpec:
    """From one camera image to one feature vector.

    Attributes:
        depth: Of the ResNet, 18 or 50.
        norm: ``group`` (16 channels each) or ``batch``. diffusion_policy's MultiImageObsEncoder
            keeps BatchNorm, whatever its config says, where all cameras share one network.
        resize: (height, width) to which the network itself resizes first, bilinear; None: not.
        crop: (height, width): random in training, central in evaluation; None: not.
        n_keypoints: Of the spatial softmax; None pools by the global average instead.
        feature_dim: Width of a Linear + ReLU after the spatial softmax; None without.
        is_shared: One network for all cameras, or one per camera.
        imagenet_norm: Whether ImageNet's mean and std are applied after the crop.
    """

    depth: int
    norm: str
    resize: Sequence[int] | None
    crop: Sequence[int] | None
    n_keypoints: int | None
    feature_dim: int | None
    is_shared: bool
    imagenet_norm: bool


@dataclass(frozen=True)
class ConvSpec:
    """From one camera image to one feature vector, small enough to train on a CPU. Ours.

    Convolutions with ReLU, the first two of stride 2; the last one's channels are scaled and
    shifted by the instruction (FiLM), so that it can choose what the keypoints follow.

    Attributes:
        widths: Channels of each convolution; at least two.
        n_keypoints: Of the spatial softmax.
    """

    widths: Sequence[int]
    n_keypoints: int


@dataclass(frozen=True)
class LanguageSpec:
    """From an instruction to one vector; frozen, never trained here.

    Attributes:
        encoder: ``hashed`` (built in, no weights) or a transformers model: hub name or folder.
        pooling: ``sum``, ``mean`` or ``first`` over the tokens; ``none`` for ``hashed``.
        dim: Width of the vector; 768 for distilbert-base-uncased.
    """

    encoder: str
    pooling: str
    dim: int


@dataclass(frozen=True)
class ObservationSpec:
    """From one time step's observation to one feature vector.

    Attributes:
        shapes: Key -> (channels, height, width) of an image or (dim,) of a vector, in the order
            in which their features are concatenated. The key ``language`` is the instruction's
            vector.
        vision: How images are encoded; None where there are none.
        language: How the instruction is encoded; None where ``shapes`` has no ``language``.
        mlp: Widths of ReLU layers applied to the concatenation; empty for none.
        boxes: Image key -> [top, left, bottom, right], fractions: the part shown; absent: all.
    """

    shapes: Mapping[str, Sequence[int]]
    vision: VisionSpec | ConvSpec | None
    language: LanguageSpec | None
    mlp: Sequence[int]
    boxes: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in self.boxes:
            if key not in self.image_keys:
                raise unknown_name("image of boxes", key, self.image_keys)
            self.view(key)
        if (self.language is None) != ("language" not in self.shapes):
            raise ConfigError("shapes has a key 'language' exactly when language is given.")
        if self.vision is None and self.image_keys:
            raise ConfigError(f"Images {', '.join(self.image_keys)} need a vision spec.")
        if isinstance(self.vision, ConvSpec) and self.language is None:
            raise ConfigError("A ConvSpec is told what to look for: give shapes and language.")

    def view(self, key: str) -> View:
        """What the network is shown of the image `key`. Raises ConfigError for no such part."""
        _, height, width = self.shapes[key]
        top, left, bottom, right = self.boxes.get(key, WHOLE)
        return View(height, width, (top, left, bottom, right))

    @property
    def image_keys(self) -> tuple[str, ...]:
        return tuple(key for key, shape in self.shapes.items() if len(shape) == 3)

    @property
    def vector_keys(self) -> tuple[str, ...]:
        """Without ``language``."""
        others = (*self.image_keys, "language")
        return tuple(key for key in self.shapes if key not in others)


@dataclass(frozen=True)
class Horizons:
    """Time steps in and out.

    Attributes:
        n_obs_steps: Observations that condition a prediction (To).
        n_prediction: Length of the predicted action sequence (T); its first row belongs to the
            oldest of the observations.
        n_action_steps: Rows that are executed (Ta).
        first_action: Row at which execution starts: To - 1, the newest observation's own row, or
            To under the published low-dimensional U-Nets' old convention.
    """

    n_obs_steps: int
    n_prediction: int
    n_action_steps: int
    first_action: int

    def __post_init__(self) -> None:
        if self.first_action + self.n_action_steps > self.n_prediction:
            raise ConfigError(
                f"Rows {self.first_action} to {self.first_action + self.n_action_steps - 1} are to "
                f"be executed, but only {self.n_prediction} are predicted: lower n_action_steps."
            )

    @property
    def executed(self) -> slice:
        return slice(self.first_action, self.first_action + self.n_action_steps)


@dataclass(frozen=True)
class DiffusionSpec:
    """The diffusion process that a network was trained on.

    Attributes:
        n_train_steps: 100 in the published checkpoints.
        beta_schedule: A name of diffusers'; ``squaredcos_cap_v2`` in the published checkpoints.
        prediction: ``epsilon`` (the noise) or ``sample``.
        n_noise_draws: Noises per example and step; 1, or 8 in droid_policy_learning.
        masks_padding: Whether steps beyond an episode's end count nothing in the loss; its mean
            is over all elements either way. False upstream.
    """

    n_train_steps: int
    beta_schedule: str
    prediction: str
    n_noise_draws: int
    masks_padding: bool


@dataclass(frozen=True)
class KeyframeSpec:
    """A second thing to predict while training; ours, None in published models.

    From the newest observation's features: what `key` will be at the episode's next change of the
    gripper, or at its end. It makes the encoder find what the hand will move to, without any state
    that a robot could not record.

    Attributes:
        key: A vector of the observation, such as the pose of the tool.
        weight: Of its mean squared error (normalized) beside the diffusion's.
        conditions: Whether the denoiser is told the prediction, and how far the newest value of
            `key` is from it; else the prediction is for training alone.
    """

    key: str
    weight: float
    conditions: bool = False


@dataclass(frozen=True)
class ModelSpec:
    """Everything that decides what a network computes; `action_dim` columns come out."""

    observation: ObservationSpec
    action_dim: int
    horizons: Horizons
    denoiser: UnetSpec | TransformerSpec
    diffusion: DiffusionSpec
    keyframe: KeyframeSpec | None = None

    def __post_init__(self) -> None:
        vectors = self.observation.vector_keys
        if self.keyframe is not None and self.keyframe.key not in vectors:
            raise unknown_name("vector of the observation", self.keyframe.key, vectors)

    @property
    def keyframe_dim(self) -> int:
        assert self.keyframe is not None
        return self.observation.shapes[self.keyframe.key][0]
