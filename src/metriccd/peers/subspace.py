"""The difference subspace of both dates' maps, with kernels found in the pair's own patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64
from torch import Tensor
from torch.nn import functional

from metriccd.nets import enlarge
from metriccd.pair import Block
from metriccd.peers.standard import Standard, only
from metriccd.scene import Fitted
from metriccd.storage import storable

# Hops, side of a patch, kernels of a hop at most, the share of the patches' variance that they
# hold, and dimensions of a date's subspace.
HOPS, PATCH, KERNELS, ENERGY, RANK = 2, 3, 16, 0.95, 12
# Patches of both dates that kernels are fitted to, at most.
SAMPLE = 30_000
# A hop's score reaches 1 at this percentile.
CEILING = 99.5
# Of the largest eigenvalue, and of 1 − cos θ: below is rounding.
FLAT = 1e-9
# Context of a window: a patch, then a pooled one, and the reach of the enlargement.
HALO = 8


def fit_subspace(parts: Sequence[Block], *, seed: int, device: str = "cpu") -> Fitted:
    """Difference subspace (Fukui & Maki 2015) of successive Saab maps (Kuo; Chen et al. 2020).

    1. Both dates, standardized band by band, pass two hops. A hop's kernels are the constant one
       and the first principal axes of 3×3 patches of both dates without their mean, as many as
       hold 95 % of the variance, 15 at most. Maxima over 2×2 pixels lead to the next hop.
    2. At each hop the K maps of a date, all pixels of one being one sample, centered on their
       mean, span a subspace of up to 12 dimensions. From the canonical vectors u_i, v_i of both
       dates with angle θ_i, the difference subspace D has the directions (u_i − v_i) / √(2(1 −
       cos θ_i)).
    3. The difference of the maps is projected on D; a pixel's score is the length of its row
       of D·Dᵀ·(X2 − X1). Each hop's is divided by its 99.5th percentile, cut at 1; their mean.

    D has a row for every pixel, but is a product of the maps and a small matrix, which needs
    nothing but their second moments: so the projection is linear in a pixel's own features, and
    any window can be measured by itself.

    Args:
        parts: Windows that stand for a scene, with valid pixels.
        seed: Of the patches that kernels are fitted to.
        device: Where to compute.

    Returns:
        What measures windows that start at even rows and columns, in [0, 1].
    """
    random = np.random.default_rng(seed)
    standard = Standard.of(parts)
    images = [torch.from_numpy(standard(part)).to(device) for part in parts]
    shapes = [part.valid.shape for part in parts]
    masks = [torch.from_numpy(part.valid).to(device) for part in parts]
    known = masks
    hops: list[Hop] = []
    for number in range(HOPS):
        if number:
            images = [_halved(maps) for maps in images]
            masks = [_halved(mask[None, None].float().neg())[0, 0] == -1 for mask in masks]
        kernels = _kernels(images, masks, random)
        images = [_convolved(image, kernels) for image in images]
        projection = _projection(_second_moments(images, masks))
        scores = [
            _rows(maps, projection, shape) for maps, shape in zip(images, shapes, strict=True)
        ]
        values = torch.cat([score[mask] for score, mask in zip(scores, known, strict=True)])
        ceiling = float(np.percentile(values.cpu().numpy(), CEILING))
        hops.append(Hop(kernels=kernels, projection=projection, ceiling=ceiling))
    return Fitted(
        measure=DifferenceSubspace(standard=standard, hops=tuple(hops), device=device),
        merge=only,
        halo=HALO,
        stride=2 ** (HOPS - 1),
    )


@storable
@dataclass(frozen=True, kw_only=True)
class Hop:
    """Kernels of a hop, and the difference subspace of its maps.

    Attributes:
        kernels: What maps are made with.
        projection: A pixel's features of t1 and t2 → its row of D·Dᵀ·(X2 − X1).
        ceiling: The length of a row that is scored 1.
    """

    kernels: Float64[np.ndarray, "map channel tap_row tap_col"]
    projection: Float64[np.ndarray, "map both"]
    ceiling: float


@storable
@dataclass(frozen=True, kw_only=True)
class DifferenceSubspace:
    """Mean over hops of how long a pixel's difference is within the difference subspace.

    Attributes:
        standard: Brings both dates to mean 0 and standard deviation 1.
        hops: What follows on each other.
        device: Where to compute.
    """

    standard: Standard
    hops: tuple[Hop, ...]
    device: str

    def __call__(self, block: Block) -> Float32[np.ndarray, "1 row col"]:
        """Of a window with its context."""
        height, width = block.valid.shape
        with torch.inference_mode():
            maps = torch.from_numpy(self.standard(block)).to(self.device)
            total = maps.new_zeros((height, width))
            for number, hop in enumerate(self.hops):
                maps = _convolved(_halved(maps) if number else maps, hop.kernels)
                if hop.ceiling > 0:
                    length = _rows(maps, hop.projection, (height, width))
                    total += (length / hop.ceiling).clamp(max=1) / len(self.hops)
            score: Float32[np.ndarray, "1 row col"] = total.cpu().numpy()[None]
        return score


def _halved(maps: Float[Tensor, "both map row col"]) -> Float[Tensor, "both map _row _col"]:
    """Maxima over 2×2 pixels; a last odd row or column is repeated."""
    rows, cols = maps.shape[-2:]
    even = functional.pad(maps, (0, cols % 2, 0, rows % 2), mode="replicate")
    return functional.max_pool2d(even, 2)


def _convolved(
    image: Float32[Tensor, "2 channel row col"],
    kernels: Float64[np.ndarray, "map channel tap_row tap_col"],
) -> Float32[Tensor, "2 map row col"]:
    taps = torch.from_numpy(kernels.astype(np.float32)).to(image.device)
    return functional.conv2d(functional.pad(image, (PATCH // 2,) * 4, mode="replicate"), taps)


def _kernels(
    images: Sequence[Float32[Tensor, "2 channel _row _col"]],
    masks: Sequence[Bool[Tensor, "_row _col"]],
    random: np.random.Generator,
) -> Float64[np.ndarray, "map channel tap_row tap_col"]:
    """The constant kernel, and principal axes of what it leaves of the patches of both dates."""
    valid = sum(int(mask.sum()) for mask in masks)
    share = min(SAMPLE / max(2 * valid, 1), 1.0)
    chosen = []
    for image, mask in zip(images, masks, strict=True):
        patches = functional.unfold(
            functional.pad(image, (PATCH // 2,) * 4, mode="replicate"), PATCH
        )
        places = np.flatnonzero(mask.cpu().numpy() & (random.random(mask.shape) < share))
        chosen.append(patches[:, :, torch.from_numpy(places)].transpose(0, 1).flatten(1))
    samples = torch.cat(chosen, dim=1).cpu().numpy().astype(np.float64)
    taps = len(samples)
    constant = np.full((1, taps), taps**-0.5)
    rest = samples - samples.mean(axis=0)
    if rest.shape[1]:
        rest -= rest.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(rest @ rest.T)
    values, axes = np.maximum(values[::-1], 0), vectors.T[::-1]
    kept = 0
    if values[0] > FLAT:
        held = np.cumsum(values) / values.sum()
        kept = min(int(np.searchsorted(held, ENERGY)) + 1, KERNELS - 1)
    kernels: Float64[np.ndarray, "map channel tap_row tap_col"]
    kernels = np.concatenate([constant, axes[:kept]]).reshape(kept + 1, -1, PATCH, PATCH)
    return kernels


def _second_moments(
    images: Sequence[Float32[Tensor, "2 map _row _col"]],
    masks: Sequence[Bool[Tensor, "_row _col"]],
) -> Float64[np.ndarray, "both both"]:
    """Σ over valid pixels of the products of the features of t1, then t2."""
    both = 2 * images[0].shape[1]
    total = np.zeros((both, both))
    for maps, mask in zip(images, masks, strict=True):
        pixels = maps.flatten(0, 1)[:, mask].double()
        total += (pixels @ pixels.T).cpu().numpy()
    return total


def _projection(
    moments: Float64[np.ndarray, "both both"],
) -> Float64[np.ndarray, "map both"]:
    """The matrix P for which P·[x1; x2] is the row of D·Dᵀ·(X2 − X1) at a pixel.

    With X_c = X·H the maps less their mean, the subspace of a date has the basis U = X_c·W, W =
    V·Λ^−½ from the eigenvectors of X_cᵀ·X_c, so U1ᵀ·U2 = W1ᵀ·X1_cᵀ·X2_c·W2 = A·cos θ·Bᵀ and D =
    [X1_c X2_c]·C with C = [W1·A; −W2·B] / √(2(1 − cos θ)).
    """
    maps = len(moments) // 2
    center = np.kron(np.eye(2), np.eye(maps) - 1 / maps)
    centered = center @ moments @ center
    one, other = (_basis(centered[part, part]) for part in (slice(maps), slice(maps, None)))
    left, cosines, right = np.linalg.svd(
        one.T @ centered[:maps, maps:] @ other, full_matrices=False
    )
    apart = 1 - np.minimum(cosines, 1)
    differ = apart > FLAT
    scale = 1 / np.sqrt(2 * apart[differ])
    directions = np.vstack([one @ left[:, differ], -other @ right.T[:, differ]]) * scale
    # [X1_c X2_c]ᵀ·(X2 − X1)
    onto = center @ (moments[:, maps:] - moments[:, :maps])
    projection: Float64[np.ndarray, "map both"] = (directions.T @ onto).T @ directions.T @ center
    return projection


def _basis(gram: Float64[np.ndarray, "map map"]) -> Float64[np.ndarray, "map rank"]:
    """Eigenvectors over the roots of their eigenvalues: the largest, up to `RANK` of them."""
    values, vectors = np.linalg.eigh(gram)
    rank = min(RANK, len(gram) - 1)
    values, vectors = values[::-1][:rank], vectors[:, ::-1][:, :rank]
    counts = values > FLAT * max(np.trace(gram), FLAT)
    basis: Float64[np.ndarray, "map rank"] = vectors[:, counts] / np.sqrt(values[counts])
    return basis


def _rows(
    maps: Float32[Tensor, "2 map row col"],
    projection: Float64[np.ndarray, "map both"],
    size: tuple[int, int],
) -> Float32[Tensor, "_row _col"]:
    """Length of each pixel's row of the projected difference, at full resolution."""
    matrix = torch.from_numpy(projection.astype(np.float32)).to(maps.device)
    rows = torch.einsum("mb,brc->mrc", matrix, maps.flatten(0, 1))
    length = torch.linalg.vector_norm(rows, dim=0)[None]
    factor = 1 if length.shape[-2:] == size else 2
    full = (length.shape[-2] * factor, length.shape[-1] * factor)
    return enlarge(length, full)[0, : size[0], : size[1]]
