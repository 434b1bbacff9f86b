"""Where networks compute, in which order of bytes, and with how many bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn


class Size(NamedTuple):
    """How much is worked on at once.

    Attributes:
        cpu: What stays in its cache.
        elsewhere: What keeps an accelerator busy.
    """

    cpu: int
    elsewhere: int

    def on(self, device: torch.device | str) -> int:
        """The one that suits a device."""
        return self.cpu if on_cpu(device) else self.elsewhere


def on_cpu(device: torch.device | str) -> bool:
    """Whether a device is the CPU."""
    return torch.device(device).type == "cpu"


def autocast(device: str) -> torch.autocast:
    """A context in which convolutions run in bfloat16 where the device has it in hardware.

    On a CPU without it, bfloat16 would be emulated, and slower than float32.
    """
    fast = device == "cuda" or (device == "cpu" and _cpu_has_bfloat16())
    return torch.autocast(device, dtype=torch.bfloat16, enabled=fast)


def place(network: nn.Module, device: str) -> nn.Module:
    """A network on a device, its channels last: convolutions are up to twice as fast so."""
    moved = network.to(device)
    return moved.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def on_device(array: Shaped[np.ndarray, "*shape"], device: str) -> Shaped[Tensor, "*shape"]:
    """An array as a tensor on a device; on a CPU it shares the array's memory.

    To an accelerator it goes from memory that is pinned: nobody waits for it.
    """
    tensor = torch.from_numpy(array)
    if not device.startswith("cuda"):
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def instructions() -> str:
    """The instructions of this CPU that decide how it rounds."""
    return f"{torch.backends.cpu.get_cpu_capability()}, bfloat16: {_cpu_has_bfloat16()}"


def _cpu_has_bfloat16() -> bool:
    capability = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(capability and capability())
