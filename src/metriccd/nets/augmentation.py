"""Random color and noise for the context-consistency loss (eq. 7): any batch size, no torchvision.

The paper asks for brightness, contrast, saturation and hue jitter and for noise, drawn anew at
each step; the strengths are ours, the paper prints none.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

# Luma of R, G, B (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


def jitter(
    rgb: Float[Tensor, "batch 3 row col"],
    generator: torch.Generator,
    *,
    brightness: float = 0.2,
    contrast: float = 0.2,
    saturation: float = 0.2,
    hue: float = 0.05,
    noise: float = 0.02,
) -> Float[Tensor, "batch 3 row col"]:
    """A randomly recolored, noisy copy of each image; each image of the batch draws its own.

    In this order: values times a factor (brightness); values towards or away from the image's
    mean luma (contrast); towards or away from the pixel's luma (saturation); a rotation about the
    grey axis (hue); Gaussian noise; a cut to [0, 1].

    Args:
        rgb: values in [0, 1].
        generator: source of every random number; the same state gives the same copies.
        brightness: factors are uniform in 1 ± this.
        contrast: factors are uniform in 1 ± this.
        saturation: factors are uniform in 1 ± this.
        hue: angles are uniform in ± this, in turns.
        noise: standard deviation.

    Raises:
        ValueError: a negative strength.
    """
    strengths = (brightness, contrast, saturation, hue, noise)
    if min(strengths) < 0:
        raise ValueError(f"jitter strengths must be 0 or more: got {strengths}")

    def draw(strength: float) -> Tensor:
        uniform = torch.rand(len(rgb), generator=generator, device=generator.device)
        return (strength * (2 * uniform - 1)).to(rgb).view(-1, 1, 1, 1)

    recolored = rgb * (1 + draw(brightness))
    recolored = torch.lerp(
        luma(recolored).mean(dim=(2, 3), keepdim=True), recolored, 1 + draw(contrast)
    )
    recolored = torch.lerp(luma(recolored), recolored, 1 + draw(saturation))
    recolored = rotate_hue(recolored, draw(hue).flatten())
    grain = torch.randn(rgb.shape, generator=generator, device=generator.device).to(rgb)
    return (recolored + noise * grain).clamp(0, 1)


def luma(rgb: Float[Tensor, "batch 3 row col"]) -> Float[Tensor, "batch 1 row col"]:
    """0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    return (rgb * rgb.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def rotate_hue(
    rgb: Float[Tensor, "batch 3 row col"], turns: Float[Tensor, " batch"]
) -> Float[Tensor, "batch 3 row col"]:
    """Rotate colors about the grey axis r = g = b, each image by its own angle.

    Rodrigues' formula for the axis (1, 1, 1)/√3. Greys and the mean of the three channels stay;
    a third of a turn takes red to green, green to blue and blue to red.

    Args:
        rgb: colors of any range.
        turns: angle, 1 being a full turn.
    """
    angle = (2 * math.pi * turns).view(-1, 1, 1, 1)
    grey = rgb.mean(dim=1, keepdim=True)
    # axis × color: (B − G, R − B, G − R)/√3
    cross = (rgb.roll(1, dims=1) - rgb.roll(-1, dims=1)) / math.sqrt(3)
    return grey + (rgb - grey) * angle.cos() + cross * angle.sin()
