"""A training step as one CUDA graph.

A step of a small network is some hundred kernels of a few microseconds each. Launched one by one
they leave the device waiting for the host; captured once, they are launched as one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Calls before the capture, as torch's notes on CUDA graphs ask for: libraries choose their
# algorithms and make their workspaces in them.
WARM_UP = 3


class Replay:
    """A function that is captured at its first call on CUDA and replayed; elsewhere it just runs.

    Args:
        work: Leaves gradients in `.grad`, having set them to None first. It takes tensors of the
            same shapes at every call, and waits for nothing that the device computes. The first
            call on CUDA is preceded by `WARM_UP` others on the same inputs: running statistics
            see these once more each.
    """

    def __init__(self, work: Callable[..., Tensor]) -> None:
        self.work = work
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: list[Tensor] = []
        self.output = torch.empty(0)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """What the work makes of its inputs."""
        if inputs[0].device.type != "cuda":
            return self.work(*inputs)
        if self.graph is None:
            with torch.cuda.device(inputs[0].device):
                self._capture(*inputs)
        for static, new in zip(self.inputs, inputs, strict=True):
            static.copy_(new)
        assert self.graph is not None
        self.graph.replay()
        return self.output.clone()

    def _capture(self, *inputs: Tensor) -> None:
        self.inputs = [tensor.clone() for tensor in inputs]
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.work(*self.inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on with other things meanwhile.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            self.output = self.work(*self.inputs)
        self.graph = graph
