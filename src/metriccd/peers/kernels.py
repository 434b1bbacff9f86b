"""Deep kernel PCA: convolutions whose kernels are nonlinear principal components of patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor
from torch.nn import functional

from metriccd.pair import Block
from metriccd.peers.standard import Standard, only
from metriccd.scene import Fitted
from metriccd.storage import storable

# The settings of the authors' code: layers, side of a patch, features of a layer, patches of
# each date, and the radial basis function's γ in exp(−γ·d²).
LAYERS, PATCH, FEATURES, SAMPLE, GAMMA = 3, 5, 8, 100, 5e-4
# Of the largest eigenvalue: a component below is rounding.
FLAT = 1e-9
# Values of the kernel, a channel a patch of the sample, that are held at once.
HELD = 2**24


def fit_kernels(parts: Sequence[Block], *, seed: int, device: str = "cpu") -> Fitted:
    """KPCA-MNet (Wu, Chen, Du & Zhang 2022), the change magnitude of its polar domain.

    Both dates, standardized band by band, pass the same `LAYERS` layers. A layer maps the patch
    around a pixel to its first `FEATURES` principal components in the space of a radial basis
    function, fitted (Schölkopf et al. 1998) to patches at `SAMPLE` random places, the same at
    both dates; the next layer is fitted to what it gives. The magnitude ρ is the length of the
    difference between the dates in the last layer.

    Other than in the authors' code the scene's border is repeated, where theirs is padded with
    zeros: that would draw a frame.

    Args:
        parts: Windows that stand for a scene, with valid pixels.
        seed: Of the places.
        device: Where to compute.

    Returns:
        What measures windows.
    """
    random = np.random.default_rng(seed)
    standard = Standard.of(parts)
    dates = [torch.from_numpy(standard(part)).to(device) for part in parts]
    layers: list[KernelLayer] = []
    for _ in range(LAYERS):
        if layers:
            dates = [layers[-1](date) for date in dates]
        patches = _sampled(dates, parts, random)
        layers.append(KernelLayer.of(patches))
    return Fitted(
        measure=KernelMaps(standard=standard, layers=tuple(layers), device=device),
        merge=only,
        halo=LAYERS * (PATCH // 2),
    )


@storable
@dataclass(frozen=True, kw_only=True)
class KernelLayer:
    """Kernel principal components of the patch around every pixel.

    With k the kernel between a patch and those of the sample, the components are those of k
    centered in feature space; as their weights sum to zero, only the sample's own means remain.

    Attributes:
        patches: The sample.
        weights: Eigenvectors of its centered kernel over the roots of their eigenvalues.
        means: Of the kernel, less 1, between each patch of the sample and all.
    """

    patches: Float64[np.ndarray, "patch channel tap_row tap_col"]
    weights: Float64[np.ndarray, "component patch"]
    means: Float64[np.ndarray, " patch"]

    @classmethod
    def of(cls, patches: Float64[np.ndarray, "patch channel tap_row tap_col"]) -> KernelLayer:
        """Fitted to a sample."""
        flat = patches.reshape(len(patches), -1)
        products = flat @ flat.T
        squares = np.diag(products)
        # Less 1: next to 1 the kernel of near patches would lose its digits.
        kernel = np.expm1(-GAMMA * np.maximum(squares[:, None] + squares - 2 * products, 0))
        means = kernel.mean(axis=0)
        centered = kernel - means[:, None] - means + means.mean()
        values, vectors = np.linalg.eigh(centered)
        values, vectors = values[::-1][:FEATURES], vectors[:, ::-1][:, :FEATURES]
        counts = values > FLAT * max(values[0], 1e-12)
        scale = np.where(counts, 1 / np.sqrt(np.where(counts, values, 1)), 0)
        return cls(patches=patches, weights=(vectors * scale).T, means=means)

    def __call__(
        self, dates: Float[Tensor, "2 channel row col"]
    ) -> Float32[Tensor, "2 component row col"]:
        """Components of every pixel of both dates; beyond the border it is repeated."""
        patches, weights, means = (
            torch.from_numpy(each.astype(np.float32)).to(dates.device)
            for each in (self.patches, self.weights, self.means)
        )
        squares = patches.square().sum(dim=(1, 2, 3))
        margin = PATCH // 2
        padded = functional.pad(dates, (margin,) * 4, mode="replicate")
        height, width = dates.shape[-2:]
        out = dates.new_empty((len(dates), len(weights), height, width))
        rows = max(HELD // (2 * len(patches) * width), 1)
        for start in range(0, height, rows):
            strip = padded[:, :, start : start + rows + 2 * margin]
            around = functional.avg_pool2d(strip.square().sum(1, keepdim=True), PATCH, 1)
            distance = functional.conv2d(strip, patches).mul_(-2)
            distance += around * PATCH**2
            distance += squares[:, None, None]
            kernel = distance.clamp_(min=0).mul_(-GAMMA).expm1_()
            kernel -= means[:, None, None]
            out[:, :, start : start + rows] = torch.einsum("fp,dprc->dfrc", weights, kernel)
        return out


@storable
@dataclass(frozen=True, kw_only=True)
class KernelMaps:
    """Distance between both dates in the last layer.

    Attributes:
        standard: Brings both dates to mean 0 and standard deviation 1.
        layers: What follows on each other.
        device: Where to compute.
    """

    standard: Standard
    layers: tuple[KernelLayer, ...]
    device: str

    def __call__(self, block: Block) -> Float32[np.ndarray, "1 row col"]:
        """Of a window with its context."""
        with torch.inference_mode():
            dates = torch.from_numpy(self.standard(block)).to(self.device)
            for layer in self.layers:
                dates = layer(dates)
            length: Float32[np.ndarray, "1 row col"]
            length = torch.linalg.vector_norm(dates[1] - dates[0], dim=0).cpu().numpy()[None]
        return length


def _sampled(
    dates: Sequence[Float32[Tensor, "2 channel _row _col"]],
    parts: Sequence[Block],
    random: np.random.Generator,
) -> Float64[np.ndarray, "patch channel tap_row tap_col"]:
    """Patches of both dates around random valid pixels."""
    places = np.concatenate(
        [np.insert(np.argwhere(part.valid), 0, number, axis=1) for number, part in enumerate(parts)]
    )
    chosen = places[random.choice(len(places), min(SAMPLE, len(places)), replace=False)]
    margin = PATCH // 2
    patches = []
    padded = {
        int(number): functional.pad(dates[number], (margin,) * 4, mode="replicate")
        for number in np.unique(chosen[:, 0])
    }
    for number, row, col in chosen.tolist():
        patches.append(padded[number][:, :, row : row + PATCH, col : col + PATCH])
    # All of t1, then all of t2.
    sample = torch.stack(patches, dim=1).flatten(0, 1)
    return sample.cpu().numpy().astype(np.float64)
