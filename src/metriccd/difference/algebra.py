"""Difference images by band arithmetic: difference, ratio, regression, vector norms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from metriccd.difference.blocks import (
    Blocks,
    DifferenceImage,
    Pixels,
    Pixelwise,
    Values,
    band_count,
)
from metriccd.difference.moments import moments
from metriccd.difference.whitening import constant_bands, inverse_deviation, whitening
from metriccd.storage import storable


def difference(pixels: Pixels) -> Values:
    """t1 − t2 of stacked pixels: (2·band, pixel) to (band, pixel)."""
    bands = len(pixels) // 2
    result: np.ndarray = pixels[:bands] - pixels[bands:]
    return result


@storable
def absolute_difference(pixels: Pixels) -> Values:
    """|t1 − t2| of stacked pixels: (2·band, pixel) to (band, pixel)."""
    result: np.ndarray = np.abs(difference(pixels))
    return result


def image_diff(blocks: Blocks) -> DifferenceImage:
    """Image differencing: one component per band, |x1 − x2| (Singh 1989).

    Args:
        blocks: the windows of the pair.

    Returns:
        band components in the images' unit, merged by their mean.

    Raises:
        DataError: there is no window.
    """
    bands = band_count(blocks)
    return DifferenceImage(apply=Pixelwise(absolute_difference, bands), components=bands)


@storable
@dataclass(frozen=True)
class LogRatio:
    """|ln x1 − ln x2| of stacked pixels.

    Attributes:
        smallest: values below it are raised to it, by feature.
        defined: bands that have a ratio; of the others it is 0.
    """

    smallest: Float64[np.ndarray, "feature 1"]
    defined: Bool[np.ndarray, " band"]

    def __call__(self, pixels: Pixels) -> Values:
        """(2·band, pixel) to (band, pixel)."""
        result = absolute_difference(np.log(np.maximum(pixels, self.smallest)))
        result *= self.defined[:, None]
        return result


def image_ratio(blocks: Blocks, *, floor: float = 0.01) -> DifferenceImage:
    """Image ratioing: one component per band, |ln x1 − ln x2|.

    A ratio needs positive values. Where one date holds zero, or a negative value left by a color
    correction, the log ratio would be infinite (about 36 with the toolbox's ε) and swamp
    every real change. Such values are raised to `floor` times the band's mean over both dates,
    which bounds the component and leaves brighter pixels exactly as they are.

    Args:
        blocks: the windows of the pair.
        floor: smallest value a ratio is taken of, as a share of the band's mean.

    Returns:
        band components, dimensionless, merged by their mean. A band whose mean is not positive
        has no ratio: its component is 0, with a warning.

    Raises:
        DataError: no pixel is valid.
    """
    mean = moments(blocks).mean
    bands = len(mean) // 2
    lowest = floor * (mean[:bands] + mean[bands:]) / 2
    defined = lowest > 0
    smallest = np.tile(np.where(defined, lowest, 1.0), 2)[:, None]
    warnings = tuple(
        f"image_ratio: band {band + 1} has no positive mean: no ratio, set to 0"
        for band in np.flatnonzero(~defined)
    )
    apply = Pixelwise(LogRatio(smallest, defined), bands)
    return DifferenceImage(apply=apply, components=bands, warnings=warnings)


@storable
@dataclass(frozen=True)
class Residual:
    """|a·x1 + c − x2| of stacked pixels.

    Attributes:
        gain: a of each band.
        offset: c.
    """

    gain: Float64[np.ndarray, " band"]
    offset: Float64[np.ndarray, " band"]

    def __call__(self, pixels: Pixels) -> Values:
        """(2·band, pixel) to (band, pixel)."""
        bands = len(self.gain)
        predicted = pixels[:bands] * self.gain[:, None] + self.offset[:, None]
        result: np.ndarray = np.abs(predicted - pixels[bands:])
        return result


def image_regr(blocks: Blocks) -> DifferenceImage:
    """Image regression: one component per band, |x̂2 − x2| with x̂2 = a·x1 + c by least squares.

    Args:
        blocks: the windows of the pair.

    Returns:
        band components in t2's unit, merged by their mean. A band that is constant in t1
        predicts t2's mean, with a warning.

    Raises:
        DataError: no pixel is valid.
    """
    fit = moments(blocks)
    bands = len(fit.mean) // 2
    scale = inverse_deviation(np.diag(fit.covariance)[:bands], fit.mean[:bands])
    gain = np.diag(fit.covariance, k=bands) * scale**2
    offset = fit.mean[bands:] - gain * fit.mean[:bands]
    return DifferenceImage(
        apply=Pixelwise(Residual(gain, offset), bands),
        components=bands,
        warnings=constant_bands(scale == 0, "image_regr: t1"),
    )


def norm(values: Values) -> Float64[np.ndarray, "1 pixel"]:
    """Euclidean norm over features, kept as one component."""
    result: np.ndarray = np.sqrt(np.einsum("kn,kn->n", values, values))
    return result[None]


@storable
def change_length(pixels: Pixels) -> Float64[np.ndarray, "1 pixel"]:
    """Length of the change vectors of stacked pixels."""
    return norm(difference(pixels))


def cva(blocks: Blocks) -> DifferenceImage:
    """Change vector analysis: √Σ_b (x2_b − x1_b)² (Malila 1980).

    Args:
        blocks: the windows of the pair; nothing is fitted to them.

    Returns:
        One component in the images' unit.
    """
    del blocks  # the same call for all methods
    return DifferenceImage(apply=Pixelwise(change_length, 1), components=1)


@storable
@dataclass(frozen=True)
class WhitenedLength:
    """Length of the change vectors of stacked pixels, whitened.

    Attributes:
        matrix: what whitens them.
    """

    matrix: Float64[np.ndarray, "direction band"]

    def __call__(self, pixels: Pixels) -> Float64[np.ndarray, "1 pixel"]:
        """(2·band, pixel) to (1, pixel)."""
        return norm(self.matrix @ difference(pixels))


def mahalanobis(blocks: Blocks) -> DifferenceImage:
    """Mahalanobis distance between the dates, eq. 3 of Bandara & Patel.

    d = √(δᵀ·S⁻¹·δ) with δ = x1 − x2 (not centered) and S the b×b covariance of δ over the valid
    pixels. S⁻¹ is the pseudo-inverse above an eigenvalue floor, so duplicated bands count once
    and bands in which δ is constant do not count; both leave a warning.

    Args:
        blocks: the windows of the pair.

    Returns:
        One component, in standard deviations.

    Raises:
        DataError: no pixel is valid.
    """
    fit = moments(blocks, features=difference)
    inverse = whitening(fit.covariance, fit.mean, "mahalanobis: difference")
    return DifferenceImage(
        apply=Pixelwise(WhitenedLength(inverse.matrix), 1),
        components=1,
        warnings=inverse.warnings,
    )
