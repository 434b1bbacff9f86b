"""The score that teaches the embedded extractor: prediction and structure, multiplied.

It was the package's recipe when the committed weights were made (docs/decisions/009-recipe.md), and
is kept so that they can be made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from metriccd.recipe import guidance, prediction
from metriccd.recipe.smoothing import smooth
from metriccd.recipe.standard import Part
from training import structure

SIGMAS = (1.0, 2.0, 4.0, 8.0)
EXPONENTS = {"prediction": 2.25, "structure": 1.5}
# Most that outlines may add to the logarithm of the distance.
LIMIT = 1.0

Evidence = Mapping[str, Float[Tensor, "row col"]]


@dataclass(frozen=True, kw_only=True)
class ClosedForm:
    """The two witnesses that need no network.

    Attributes:
        prediction: What one date says of the other.
        noise: Variance below which a pattern is noise.
    """

    prediction: prediction.Prediction
    noise: float

    @classmethod
    def fit(cls, parts: Sequence[Part], *, seed: int = 0) -> ClosedForm:
        """From standardized parts that stand for the scene."""
        return cls(
            prediction=prediction.fit_prediction(parts, seed=seed),
            noise=structure.noise_variance(parts),
        )

    def __call__(self, part: Part) -> dict[str, Float[Tensor, "row col"]]:
        """Their distances on a window."""
        return {
            "prediction": self.prediction.residuals(part.t1, part.t2).square().sum(dim=0).sqrt(),
            "structure": structure.structural_dissimilarity(part.t1, part.t2, noise=self.noise),
        }


def fuse(
    evidence: Evidence,
    part: Part,
    *,
    sigmas: Sequence[float] = SIGMAS,
    scale: float = 1.0,
) -> Float32[Tensor, "row col"]:
    """∏ over witnesses k and scales σ of (G_σ * d_k)^(w_k / |σ|), fitted to outlines.

    Args:
        evidence: Name → distance over its mean.
        part: Where it was measured; its logarithm is smoothed along what both dates show.
        sigmas: Of the Gaussians, in pixels, at a scale of 1.
        scale: A factor of them and of the width of the guided filter.

    Returns:
        Distance ≥ 0, larger = more change, around 1 where nothing special happens; 0 where not
        valid.
    """
    stack = torch.stack(list(evidence.values()))
    powers = torch.tensor([EXPONENTS[name] / len(sigmas) for name in evidence], device=stack.device)
    log = torch.zeros_like(stack[0])
    for sigma in sigmas:
        smoothed = smooth(stack, part.valid, scale * sigma).clamp_(min=1e-9)
        log += torch.einsum("k,krc->rc", powers, smoothed.log_())
    # A glint may be far outside what its window's regression knows: it shall not run away.
    guided = guidance.guided(log, *part, sigma=scale * guidance.SIGMA)
    log = torch.minimum(guided, log + LIMIT)
    return torch.where(part.valid, log.exp_(), 0)
