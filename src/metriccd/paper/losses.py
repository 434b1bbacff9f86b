"""The losses of eq. 5–8 and of the authors' released code, each a pure function of tensors.

d is a distance per pixel between the two dates, P_c the probability of change, P_nc = 1 − P_c.
Everything here is one image pair: maps are (row, col), images and features (channel, row, col).
Means are over valid pixels only; what lies under the others, NaN included, reaches neither a
result nor a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

# Share of the largest eigenvalue of the correlation matrix below which a direction counts as
# absent: a duplicated float32 channel leaves about 1e-14 of rounding there, real ones far more.
_EIGENVALUE_FLOOR = 1e-10

# Share of its mean below which the deviation of a channel's difference is float32 rounding.
_DEVIATION_FLOOR = 1e-6

# Distance that mean P_c keeps from 0 and 1 inside eq. 8: the loss stays below 1/sin(π/1000) ≈ 318.
_SPARSITY_MARGIN = 1e-3


def mahalanobis_distance(
    x1: Float[Tensor, "channel row col"],
    x2: Float[Tensor, "channel row col"],
    valid: Bool[Tensor, "row col"] | None = None,
) -> Float[Tensor, "row col"]:
    """Mahalanobis distance between two dates (eq. 3 and the norm ‖·‖_M of eq. 5–6).

    d = √((x1 − x2)ᵀ S⁻¹ (x1 − x2)), with S the covariance of x1 − x2 over valid pixels. S⁻¹ is a
    pseudo-inverse: constant differences and directions that other channels already hold count
    nothing, so duplicated and dead channels are harmless. S is detached: it is the metric, a
    statistic of the pair, and not something to be learned away.

    Args:
        x1: values at t1.
        x2: values at t2.
        valid: True where usable; all pixels if None.

    Returns:
        The distance, ≥ 0 and finite, 0 at invalid pixels; its gradient is finite, 0 where x1
        equals x2.
    """
    # Channels last, as networks give them here: a pixel's values lie side by side.
    difference = _zero_invalid(x1 - x2, valid).permute(1, 2, 0)
    whitening = _whitening(difference.detach(), valid).to(difference)
    # vector_norm, unlike the square root of a sum, has gradient 0 at 0
    distance: Tensor = torch.linalg.vector_norm(difference @ whitening.T, dim=2)
    return distance


def _whitening(
    difference: Float[Tensor, "row col channel"], valid: Bool[Tensor, "row col"] | None
) -> Float[Tensor, "direction channel"]:
    """W with WᵀW = S⁺, in float64.

    The eigenvectors are those of the correlation matrix, so that the floor on the eigenvalues
    does not depend on the channels' units.
    """
    samples = difference.flatten(0, 1) if valid is None else difference[valid]
    if samples.device.type == "mps":
        samples = samples.cpu()  # Apple's GPU has no float64
    samples = samples.double()
    count = samples.shape[0]
    mean = samples.sum(dim=0) / max(count, 1)
    centered = samples - mean
    covariance = centered.T @ centered / max(count - 1, 1)
    deviation = covariance.diagonal().sqrt()
    varies = deviation > _DEVIATION_FLOOR * mean.abs()
    scale = torch.where(varies, 1 / deviation, 0)
    values, vectors = torch.linalg.eigh(scale[:, None] * covariance * scale)
    significant = values > _EIGENVALUE_FLOOR * values[-1]
    roots = torch.where(significant, values.abs().rsqrt(), 0)
    whitening: Tensor = roots[:, None] * vectors.T * scale
    return whitening


def l1_distance(
    x1: Float[Tensor, "channel row col"],
    x2: Float[Tensor, "channel row col"],
    valid: Bool[Tensor, "row col"] | None = None,
) -> Float[Tensor, "row col"]:
    """Mean absolute difference over channels: the distance of the authors' released code.

    Args:
        x1: values at t1.
        x2: values at t2.
        valid: True where usable; all pixels if None.

    Returns:
        The distance, ≥ 0, 0 at invalid pixels.
    """
    return _zero_invalid(x1 - x2, valid).abs().mean(dim=0)


def instance_normalize(
    x: Float[Tensor, "channel row col"],
    valid: Bool[Tensor, "row col"] | None = None,
    *,
    epsilon: float = 1e-5,
) -> Float[Tensor, "channel row col"]:
    """Each channel to zero mean and unit standard deviation over valid pixels (released code).

    (x − mean) / √(variance + ε), the variance biased, as in torch's instance normalization: a
    constant channel becomes 0. Invalid pixels become 0.
    """
    values = _zero_invalid(x, valid)
    count = _count(values, valid)
    centered = _zero_invalid(values - values.sum(dim=(1, 2), keepdim=True) / count, valid)
    variance = centered.square().sum(dim=(1, 2), keepdim=True) / count
    return centered / (variance + epsilon).sqrt()


def downsample_nearest(
    x: Shaped[Tensor, "row col"], size: tuple[int, int]
) -> Shaped[Tensor, "less_row less_col"]:
    """d^l of eq. 6: a map at the size of level l, by nearest neighbor.

    Pixel i of the result is pixel ⌊i · rows / size⌋ of the map, torch's "nearest". Works on
    probabilities and on masks alike.
    """
    rows, cols = (
        torch.arange(target, device=x.device) * source // target
        for source, target in zip(x.shape, size, strict=True)
    )
    return x[rows[:, None], cols]


def similarity_dissimilarity(
    distance: Float[Tensor, "row col"],
    p_c: Float[Tensor, "row col"],
    valid: Bool[Tensor, "row col"] | None = None,
    *,
    alpha: float = 1.0,
    gate: str = "soft",
) -> Float[Tensor, ""]:
    """Similarity–dissimilarity loss, eq. 5 on the image and eq. 6 on one feature level.

    L = −α · mean(P_c · d) + mean(P_nc · d): since P_c ≥ 0, ‖P_c (x1 − x2)‖_M = P_c · d.

    Args:
        distance: d, between the dates, at the size of `p_c`.
        p_c: probability of change in [0, 1].
        valid: True where usable; all pixels if None.
        alpha: weight of the change term (1 in the paper).
        gate: "soft" as printed. "hard", as in the released code: only pixels with P_c > P_nc
            count in the change term and only pixels with P_c < P_nc in the no-change term; the
            means still divide by the number of all valid pixels.

    Raises:
        ValueError: an unknown gate.
    """
    change, no_change = _gated(_zero_invalid(p_c, valid), gate)
    return _mean(no_change * distance, valid) - alpha * _mean(change * distance, valid)


def context_consistency(
    features: Sequence[Float[Tensor, "date _ _ _"]],
    augmented: Sequence[Float[Tensor, "date _ _ _"]],
) -> Float[Tensor, ""]:
    """Context consistency, eq. 7: Σ_l Σ_t mean |F_t^l − F̂_t^l|.

    The L1 norm is taken as a mean over channels and pixels, so that levels and image sizes
    weigh the same.

    Args:
        features: one tensor a level, (date, channel, row, col), both dates.
        augmented: the same of the images' augmented copies.
    """
    pairs = zip(features, augmented, strict=True)
    # A sum divided, not a mean: the gradient of a mean is laid out anew, channels first.
    return torch.stack([(a - b).abs().sum() / a[0].numel() for a, b in pairs]).sum()


def sparsity(
    p_c: Float[Tensor, "row col"], valid: Bool[Tensor, "row col"] | None = None
) -> Float[Tensor, ""]:
    """Sparsity penalty, eq. 8: 1 / sin(π · mean P_c).

    Its pole at a mean of 0 and 1 is cut at 0.001 from it. There the gradient is the one at the
    cut, finite and towards a mean of ½, where clamping would make it 0 and leave the map stuck.
    """
    mean = _mean(p_c, valid)
    clamped = mean.clamp(_SPARSITY_MARGIN, 1 - _SPARSITY_MARGIN)
    return 1 / torch.sin(math.pi * (mean + (clamped - mean).detach()))


def change_balance(
    p_c: Float[Tensor, "row col"], valid: Bool[Tensor, "row col"] | None = None
) -> Float[Tensor, ""]:
    """Balance of change and no change, the released code's contrastive term in place of eq. 8.

    With the hard gates g_c = [P_c > P_nc], g_nc = [P_c < P_nc], and a = mean(g_c · P_c²),
    b = mean(g_nc · P_nc²), the released term is a sum of two log-ratios,

        log(eᵃ / (eᵃ + eᵇ)) − log(eᵇ / (eᵃ + eᵇ)) = a − b,

    the denominators cancelling, so a − b is what is computed. It falls as pixels leave the
    change class and as no-change pixels grow surer: it is a pull towards no change.
    """
    change, no_change = _gated(_zero_invalid(p_c, valid), "hard")
    return _mean(change.square(), valid) - _mean(no_change.square(), valid)


def _gated(p_c: Tensor, gate: str) -> tuple[Tensor, Tensor]:
    """P_c and P_nc, with the other class's pixels at 0 if the gate is hard."""
    p_nc = 1 - p_c
    if gate == "soft":
        return p_c, p_nc
    if gate == "hard":
        return p_c * (p_c > p_nc), p_nc * (p_c < p_nc)
    raise ValueError(f"gate must be 'soft' or 'hard': got {gate!r}")


def _zero_invalid(x: Tensor, valid: Tensor | None) -> Tensor:
    return x if valid is None else torch.where(valid, x, 0)


def _mean(x: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of a (row, col) map over its valid pixels; 0 if there are none."""
    return _zero_invalid(x, valid).sum() / _count(x, valid)


def _count(x: Tensor, valid: Tensor | None) -> Tensor | int:
    """Valid pixels of a (…, row, col) tensor, at least 1."""
    return x.shape[-2] * x.shape[-1] if valid is None else valid.sum().clamp(min=1)
