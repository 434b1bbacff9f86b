"""Difference images by principal components: of the difference, of each date, of patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Shaped

from metriccd.difference.algebra import absolute_difference
from metriccd.difference.blocks import (
    Blocks,
    DifferenceImage,
    Pixels,
    Pixelwise,
    Values,
    magnitude,
    strips,
)
from metriccd.difference.moments import Moments, merge_all, moments, moments_of
from metriccd.errors import DataError
from metriccd.storage import storable


def principal_axes(
    covariance: Float64[np.ndarray, "feature feature"],
) -> Float64[np.ndarray, "component feature"]:
    """Unit eigenvectors as rows, by descending eigenvalue, each with a sum ≥ 0."""
    _, vectors = np.linalg.eigh(covariance)
    axes = vectors.T[::-1]
    return axes * np.where(axes.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)


@storable
@dataclass(frozen=True)
class DifferenceComponents:
    """|principal components of |x1 − x2|| of stacked pixels.

    Attributes:
        axes: their axes.
        offset: the components of the mean.
    """

    axes: Float64[np.ndarray, "component band"]
    offset: Float64[np.ndarray, "component 1"]

    def __call__(self, pixels: Pixels) -> Values:
        """(2·band, pixel) to (component, pixel)."""
        result: np.ndarray = np.abs(self.axes @ absolute_difference(pixels) - self.offset)
        return result


def dpca(blocks: Blocks) -> DifferenceImage:
    """Differencing, then PCA: |principal components of |x1 − x2|| (Deng et al. 2008).

    The components are centered, so an unchanged pixel has the (small) value of the mean
    difference, not 0. One band has nothing to rotate: the result is |x1 − x2|.

    Args:
        blocks: the windows of the pair.

    Returns:
        band components in the images' unit, by descending variance, merged by their mean.

    Raises:
        DataError: no pixel is valid.
    """
    fit = moments(blocks, features=absolute_difference)
    bands = len(fit.mean)
    if bands == 1:
        return DifferenceImage(apply=Pixelwise(absolute_difference, 1), components=1)
    axes = principal_axes(fit.covariance)
    offset = (axes @ fit.mean)[:, None]
    return DifferenceImage(
        apply=Pixelwise(DifferenceComponents(axes, offset), bands),
        components=bands,
    )


@storable
@dataclass(frozen=True)
class ComponentDifferences:
    """|PC1_j − PC2_j| of stacked pixels.

    Attributes:
        matrix: axes of t1, and those of t2 with the opposite sign.
        offset: the product with the mean.
    """

    matrix: Float64[np.ndarray, "component feature"]
    offset: Float64[np.ndarray, "component 1"]

    def __call__(self, pixels: Pixels) -> Values:
        """(2·band, pixel) to (component, pixel)."""
        result: np.ndarray = np.abs(self.matrix @ pixels - self.offset)
        return result


def pcda(blocks: Blocks) -> DifferenceImage:
    """PCA of each date, then differencing: |PC1_j − PC2_j| (Dharani & Sreenivasulu 2021).

    The sign of PC2_j is chosen so that cov(PC1_j, PC2_j) > 0.

    Args:
        blocks: the windows of the pair.

    Returns:
        band components in the images' unit, by descending variance, merged by their mean.

    Raises:
        DataError: no pixel is valid.
    """
    fit = moments(blocks)
    bands = len(fit.mean) // 2
    axes1 = principal_axes(fit.covariance[:bands, :bands])
    axes2 = principal_axes(fit.covariance[bands:, bands:])
    covariance = np.einsum("kb,bc,kc->k", axes1, fit.covariance[:bands, bands:], axes2)
    matrix = np.hstack((axes1, -np.where(covariance < 0, -1.0, 1.0)[:, None] * axes2))
    offset = (matrix @ fit.mean)[:, None]
    return DifferenceImage(
        apply=Pixelwise(ComponentDifferences(matrix, offset), bands),
        components=bands,
    )


@storable
@dataclass(frozen=True)
class PatchComponents:
    """The patch of |x1 − x2| around every pixel, projected on the axes of each band.

    Attributes:
        bases: the axes.
        size: side of a patch in pixels.
    """

    bases: Float64[np.ndarray, "band component tap"]
    size: int

    def __call__(
        self, t1: Float[np.ndarray, "band row col"], t2: Float[np.ndarray, "band row col"]
    ) -> Float[np.ndarray, "component row col"]:
        """The components of a window, band by band."""
        bands, components, _ = self.bases.shape
        missing = np.isnan(t1).any(axis=0) | np.isnan(t2).any(axis=0)
        out = np.empty((bands, components, *t1.shape[1:]), dtype=np.result_type(t1, t2))
        for basis, band1, band2, projected in zip(self.bases, t1, t2, out, strict=True):
            padded = _padded_difference(band1, band2, missing, self.size)
            for rows in strips(self.size**2, *t1.shape[1:]):
                patches = _patches_around(padded, rows, self.size)
                projected[:, rows] = (basis @ patches).reshape(components, -1, t1.shape[2])
        if missing.any():
            out[:, :, missing] = np.nan
        return out.reshape(-1, *t1.shape[1:])


def pca_kmeans(blocks: Blocks, *, size: int = 4, components: int = 3) -> DifferenceImage:
    """Feature vectors of PCA-k-means (Celik 2009); the k-means is a matter of thresholding.

    Non-overlapping size × size patches of |x1 − x2| give a PCA basis; the patch around
    every pixel is projected on its first axes. Celik works on one band: with several, every
    band has its own basis and the vectors are concatenated. Celik also subtracts the mean
    patch, a translation that k-means cannot see; without it an unchanged patch projects to 0.
    A neighbor that is no data or off the image counts as a copy of the center.

    Args:
        blocks: the windows of the pair. Patches are cut within windows from their top left
            corner: windows whose sides are multiples of `size` give the whole image's basis.
        size: side of a patch in pixels. An even patch reaches one pixel further up and left.
        components: axes kept per band, at most size².

    Returns:
        components × band components in the images' unit, band by band; merged by their
        magnitude, which is the length of the vector that k-means clusters.

    Raises:
        DataError: no window holds a patch of valid pixels.
        ValueError: size or components out of range.
    """
    if size < 1 or not 1 <= components <= size**2:
        raise ValueError(
            f"components must lie in 1..size², got {components} and size {size}: reduce components"
        )
    bases = np.stack([principal_axes(c)[:components] for c in _patch_covariances(blocks, size)])
    return DifferenceImage(
        apply=PatchComponents(bases, size),
        components=len(bases) * components,
        halo=size // 2,
        merge=magnitude,
    )


def _patch_covariances(blocks: Blocks, size: int) -> list[Float64[np.ndarray, "tap tap"]]:
    """Covariance of each band's non-overlapping patches of |t1 − t2|."""
    parts: list[list[Moments]] = []
    for t1, t2, valid in blocks:
        cols = valid.shape[1] - valid.shape[1] % size
        for rows in _patch_rows(valid.shape[0], cols, size):
            usable = _cut(valid[rows, :cols], size).all(axis=0)
            if usable.any():
                patches = np.abs(t1[:, rows, :cols].astype(np.float64) - t2[:, rows, :cols])
                parts.append([moments_of(_cut(band, size)[:, usable]) for band in patches])
    if not parts:
        raise DataError(
            f"pca_kmeans needs a {size}×{size} patch of valid pixels, got none: reduce size"
        )
    return [merge_all(band).covariance for band in zip(*parts, strict=True)]


def _patch_rows(rows: int, cols: int, size: int) -> Iterator[slice]:
    """Row ranges that hold whole patches and fit in cache."""
    for strip in strips(size, rows // size, cols):
        yield slice(strip.start * size, strip.stop * size)


def _cut(image: Shaped[np.ndarray, "row col"], size: int) -> Shaped[np.ndarray, "tap patch"]:
    """Non-overlapping patches of (row, col) as columns: (size², patch)."""
    rows, cols = (side // size for side in image.shape)
    patches = image.reshape(rows, size, cols, size).transpose(1, 3, 0, 2)
    return patches.reshape(size**2, -1)


def _padded_difference(
    t1: Float[np.ndarray, "row col"],
    t2: Float[np.ndarray, "row col"],
    missing: Bool[np.ndarray, "row col"],
    size: int,
) -> Float64[np.ndarray, "padded_row padded_col"]:
    """|t1 − t2| of one band, NaN where missing and in a margin for the patches at the border."""
    values = np.abs(np.where(missing, np.nan, t1.astype(np.float64)) - t2)
    return np.pad(values, (size // 2, size - 1 - size // 2), constant_values=np.nan)


def _patches_around(
    padded: Float64[np.ndarray, "padded_row padded_col"], rows: slice, size: int
) -> Values:
    """The patch around every pixel of some rows as columns, NaN replaced by the center."""
    strip = padded[rows.start : rows.stop + size - 1]
    windows = np.lib.stride_tricks.sliding_window_view(strip, (size, size))
    patches = windows.transpose(2, 3, 0, 1).reshape(size**2, -1)
    center = patches[size // 2 * size + size // 2]
    return np.where(np.isnan(patches), center, patches)
