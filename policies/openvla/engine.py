"""Runs `generate` for batches on the CPU side: padding, upload, CUDA graphs, download.

A small batch is bound by kernel launches, so on a GPU the whole action, from pixels to the last
token, is one CUDA graph per (batch size, prompt length bucket). From about eight requests on the
GPU takes longer than the launches, which then overlap with it: no graph, no padding of the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vla_bench.errors import PolicyError
from vla_bench.policies.openvla.generate import Decoding, Inputs, generate, prompt_logits
from vla_bench.policies.openvla.kernels import compile_kernels
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.quantize import compile_quantized, has_four_bits

GRAPH_MAX_BATCH = 8
PROMPT_BUCKET = 8
"""Prompts are padded to a multiple of this on a GPU: few graphs, at most 3 % more tokens."""


class Engine:
    """One model on its device.

    Attributes:
        model: Ready to infer.
        compiled: Whether kernels are compiled and, on a GPU, small batches run as CUDA graphs.
    """

    def __init__(self, model: OpenVLAModel, compiled: bool) -> None:
        self.model = model
        self.compiled = compiled
        self._graphs: dict[tuple[int, int, Decoding], _Graph] = {}
        self._stream: Any = None  # that graphs are captured on, of the model's own device
        if compiled:
            model.language_model.model.kernels = compile_kernels()
            compile_quantized(model)

    def generate(
        self, images: NDArray[np.uint8], prompts: Sequence[list[int]], decoding: Decoding
    ) -> NDArray[np.int64]:
        """(2, b, n_tokens): see `generate.generate`. Images are (b, side, side, 3)."""
        inputs = self._inputs(images, prompts, decoding.n_tokens)
        with self._telling_what_fits(len(images)):
            return self._run(inputs, decoding).cpu().numpy()

    def _run(self, inputs: Inputs, decoding: Decoding) -> Tensor:
        if not (self.compiled and self._on_gpu and len(inputs.ids) <= GRAPH_MAX_BATCH):
            return generate(self.model, inputs.to(self.model.device), decoding)
        with torch.cuda.device(self.model.device):  # streams and graphs belong to the current one
            return self._graph(inputs, decoding).replay(inputs)

    def logits(
        self, images: NDArray[np.uint8], prompts: Sequence[list[int]]
    ) -> NDArray[np.float32]:
        """(b, n_tokens) after the last id of each prompt."""
        inputs = self._inputs(images, prompts, n_tokens=0)
        with self._telling_what_fits(len(images)):
            return prompt_logits(self.model, inputs.to(self.model.device)).cpu().numpy()

    @contextmanager
    def _telling_what_fits(self, batch: int) -> Iterator[None]:
        """Memory that runs out becomes a PolicyError with what to type."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            smaller = "" if has_four_bits(self.model) else " or policy.precision=int4"
            raise PolicyError(
                f"GPU memory ran out with a batch of {batch}: {error} Type a smaller "
                f"n_lanes{smaller}."
            ) from error

    @property
    def _on_gpu(self) -> bool:
        return self.model.device.type == "cuda"

    def _inputs(
        self, images: NDArray[np.uint8], prompts: Sequence[list[int]], n_tokens: int
    ) -> Inputs:
        config = self.model.config
        longest, n_patches = max(map(len, prompts)), config.n_patches
        if n_patches + longest + n_tokens > config.decoder.max_positions:
            raise PolicyError(
                f"A prompt has {longest} tokens; {n_patches} patches and {n_tokens} action tokens "
                f"leave room for {config.decoder.max_positions - n_patches - n_tokens}."
            )
        width = -(-longest // PROMPT_BUCKET) * PROMPT_BUCKET if self._on_gpu else longest
        ids = np.full((len(prompts), width), config.pad_token_id)
        for row, prompt in zip(ids, prompts):
            row[: len(prompt)] = prompt
        lengths = np.array([len(prompt) for prompt in prompts])
        inputs = Inputs(*(torch.from_numpy(array) for array in (images, ids, lengths)))
        return inputs.pinned() if self._on_gpu else inputs

    def _graph(self, inputs: Inputs, decoding: Decoding) -> _Graph:
        key = (*inputs.ids.shape, decoding)
        if key not in self._graphs:
            pool = next(iter(self._graphs.values())).pool if self._graphs else None
            if self._stream is None:  # torch's own would be the first captured device's for all
                self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            self._graphs[key] = _Graph(self.model, inputs, decoding, (pool, self._stream))
        return self._graphs[key]


class _Graph:
    """`generate` for one shape, captured.

    All graphs of an engine share one memory pool: they never run at the same time, and a result is
    read before the next one starts.
    """

    def __init__(
        self, model: OpenVLAModel, inputs: Inputs, decoding: Decoding, where: tuple[Any, Any]
    ) -> None:
        """`where`: the memory pool, None for the first graph, and the stream of the capture."""
        self._inputs = Inputs(*(tensor.to(model.device) for tensor in inputs.tensors()))
        pool, side = where
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # compiles kernels and initializes libraries
            for _ in range(2):
                generate(model, self._inputs, decoding)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool, stream=side):
            self._picks = generate(model, self._inputs, decoding)

    @property
    def pool(self) -> Any:
        return self._graph.pool()

    def replay(self, inputs: Inputs) -> Tensor:
        for mine, theirs in zip(self._inputs.tensors(), inputs.tensors()):
            mine.copy_(theirs, non_blocking=True)
        self._graph.replay()
        return self._picks
