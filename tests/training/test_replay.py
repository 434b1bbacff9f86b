"""A training step that CUDA replays as one graph: the same results, whatever the device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch import Tensor, nn
from training.replay import WARM_UP, Replay


class Step:
    """Gradients of a small network, and its loss."""

    def __init__(self, device: str = "cpu") -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 1, 3)).to(device)
        self.calls = 0

    def __call__(self, images: Tensor, target: Tensor) -> Tensor:
        self.calls += 1
        self.network.zero_grad()
        loss = (self.network(images) - target).square().mean()
        loss.backward()
        return loss.detach()

    def learn(self) -> None:
        with torch.no_grad():
            for each in self.network.parameters():
                assert each.grad is not None
                each.sub_(each.grad, alpha=0.1)

    def gradients(self) -> Tensor:
        return torch.cat([each.grad.flatten() for each in self.network.parameters()])  # type: ignore[union-attr]


def batch(seed: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 3, 9, 9, generator=random).to(device)
    return images, torch.rand(2, 1, 5, 5, generator=random).to(device)


def test_on_a_cpu_the_work_just_runs_once_a_call() -> None:
    step, expected = Step(), Step()
    replay = Replay(step)
    for seed in range(3):
        torch.testing.assert_close(replay(*batch(seed)), expected(*batch(seed)))
        torch.testing.assert_close(step.gradients(), expected.gradients())
    assert step.calls == 3


class OnCuda(torch.Tensor):
    """A tensor of the CPU that says it is on CUDA."""

    device = property(lambda _self: torch.device("cuda"))  # type: ignore[assignment]


class Stream:
    def wait_stream(self, _other: Stream) -> None:
        pass


class Graph:
    """Runs the work again where CUDA would run its kernels: on what they were captured with."""

    owner: Replay

    def replay(self) -> None:
        self.owner.output.copy_(self.owner.work(*self.owner.inputs))


def test_after_a_warm_up_and_a_capture_every_call_replays_on_its_own_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captured = []

    @contextmanager
    def capture(graph: Graph, **options: object) -> Iterator[None]:
        captured.append((graph, options["capture_error_mode"]))
        yield

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "device", lambda _device: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    step, expected = Step(), Step()
    replay = Replay(step)
    Graph.owner = replay
    found, wanted = [], []
    for seed in range(3):
        found.append(replay(*(each.as_subclass(OnCuda) for each in batch(seed))))
        wanted.append(expected(*batch(seed)))
        torch.testing.assert_close(step.gradients(), expected.gradients())
        step.learn()
        expected.learn()
    assert [mode for _, mode in captured] == ["thread_local"]
    assert step.calls == WARM_UP + 1 + 3
    # A later replay does not change what an earlier one gave.
    torch.testing.assert_close(torch.stack(found).as_subclass(Tensor), torch.stack(wanted))


def test_on_a_gpu_a_replay_gives_what_the_cpu_gives(gpu: str) -> None:
    step, expected = Step(gpu), Step()
    replay = Replay(step)
    for seed in range(5):
        loss = replay(*batch(seed, gpu))
        torch.testing.assert_close(loss.cpu(), expected(*batch(seed)), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(
            step.gradients().cpu(), expected.gradients(), rtol=1e-2, atol=1e-3
        )
        step.learn()
        expected.learn()
    assert step.calls == WARM_UP + 1
