"""Where networks compute, in which order of bytes, and with how many bits."""

from __future__ import annotations

import torch
from torch import nn


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


def _cpu_has_bfloat16() -> bool:
    capability = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(capability and capability())
