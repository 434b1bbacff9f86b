"""Shift: how far t2 lies off t1, to a small part of a pixel, from windows of both.

Phase correlation (Kuglin & Hines 1975) of many windows at once: each window's cross-power
spectrum is whitened, and their sum has its peak at the shift that they share. What changed, or
differs by season, has another phase in every window and sums to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex, Float
from scipy.fft import fft2, ifft2
from scipy.ndimage import gaussian_filter, sobel
from skimage.registration import phase_cross_correlation

from metriccd.pair.blocks import Block

# Sub-pixel steps that are searched.
STEPS = 50
# Cycles per pixel up to which frequencies count (standard deviation of a Gaussian): above it
# there is noise, and what interpolation made.
BAND_PASS = 0.18
# Groups of windows whose own shifts tell how sure their common one is.
GROUPS = 6
# A window that is valid in a smaller share is not looked at.
MIN_SHARE = 0.4

Spectrum = Complex[np.ndarray, "row col"]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """How far the content of t2 lies off that of t1, in pixels of t1's grid.

    Attributes:
        row: Downward.
        col: To the right.
        error: Standard error, from the spread between groups of windows; infinite for one group.
        sharpness: Height of the correlation's peak over its surroundings, in their standard
            deviations; below about 8 it may be noise.
    """

    row: float
    col: float
    error: float
    sharpness: float

    @property
    def length(self) -> float:
        """In pixels, straight."""
        return float(np.hypot(self.row, self.col))


def spectra(blocks: Sequence[Block]) -> dict[str, list[Spectrum]]:
    """Whitened cross-power spectra of windows of one size, for each way to look at them.

    Ways are each band (at most four) and the strength of all bands' edges, which the sign of a
    contrast, such as that of vegetation against soil, does not change.
    """
    found: dict[str, list[Spectrum]] = {}
    for block in blocks:
        share = block.valid.mean()
        if share < MIN_SHARE:
            continue
        taper = _taper(block.valid)
        edges = np.zeros(block.valid.shape, np.complex64)
        for band in range(min(len(block.t1), 4)):
            one, other = (_filled(image[band], block.valid) for image in (block.t1, block.t2))
            cross = _whitened(one, other, taper)
            found.setdefault(f"band {band + 1}", []).append(share * cross)
            edges += _whitened(_edges(one), _edges(other), taper)
        found.setdefault("edges", []).append(share * edges / max(abs(edges).max(), 1e-12))
    return found


def common_shift(found: dict[str, list[Spectrum]]) -> tuple[Shift, str] | None:
    """The shift that windows share, by the way to look at them that agrees best, and its name.

    None where there is nothing to look at.
    """
    peaks = {name: peak(sum_of(parts)) for name, parts in found.items() if parts}
    best = max(peaks, key=lambda name: peaks[name][2], default=None)
    if best is None:
        return None
    row, col, sharpness = peaks[best]
    parts = found[best]
    groups = [sum_of(parts[first::GROUPS]) for first in range(min(GROUPS, len(parts)))]
    error = float("inf")
    if len(groups) > 1:
        places = np.array([peak(group)[:2] for group in groups])
        # Median absolute deviation, as a standard deviation: one group may be lost in change.
        spread = 1.4826 * np.median(np.abs(places - np.median(places, axis=0)), axis=0)
        error = float(np.hypot(*spread) / np.sqrt(len(groups)))
    return Shift(row=row, col=col, error=error, sharpness=sharpness), best


def sum_of(parts: Sequence[Spectrum]) -> Spectrum:
    """Sum of spectra."""
    return np.asarray(np.sum(parts, axis=0))


def likeness(blocks: Sequence[Block]) -> float:
    """How alike the edges of both dates are: their correlation, slightly smoothed, all bands.

    Smoothed, because interpolation alone, which smooths too, must not look like an improvement.
    """
    sums = np.zeros(3)
    for block in blocks:
        if block.valid.mean() < MIN_SHARE:
            continue
        inner = block.valid & (gaussian_filter(block.valid.astype(np.float32), 2) > 0.99)
        for one, other in zip(block.t1[:4], block.t2[:4], strict=True):
            a, b = (
                gaussian_filter(_edges(_filled(image, block.valid)), 1)[inner]
                for image in (one, other)
            )
            if a.size < 2:
                continue
            a, b = ((each - each.mean()) / (each.std() + 1e-12) for each in (a, b))
            sums += (a @ b, a @ a, b @ b)
    return float(sums[0] / np.sqrt(sums[1] * sums[2])) if sums[1] and sums[2] else 0.0


def _taper(valid: Bool[np.ndarray, "row col"]) -> Float[np.ndarray, "row col"]:
    """Falls to 0 at the borders of a window and of what is not valid."""
    rows, cols = (np.hanning(side + 1)[:-1] for side in valid.shape)
    soft = valid if valid.all() else np.clip(2 * gaussian_filter(valid.astype(float), 3) - 1, 0, 1)
    # Single precision: transforms of it take half as long.
    return np.asarray(np.outer(rows, cols) * soft, np.float32)


def _filled(
    image: Float[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"]
) -> Float[np.ndarray, "row col"]:
    """Zero mean; 0 where not valid."""
    return np.where(valid, image - image[valid].mean(dtype=np.float64), 0.0).astype(np.float32)


def _edges(image: Float[np.ndarray, "row col"]) -> Float[np.ndarray, "row col"]:
    return np.asarray(np.hypot(sobel(image, axis=0), sobel(image, axis=1)))


def _whitened(
    one: Float[np.ndarray, "row col"],
    other: Float[np.ndarray, "row col"],
    taper: Float[np.ndarray, "row col"],
) -> Spectrum:
    weight = taper.sum()
    first, second = (
        fft2((image - (image * taper).sum() / weight) * taper) for image in (one, other)
    )
    cross = first * second.conj()
    rows, cols = (np.fft.fftfreq(side) for side in cross.shape)
    low = np.exp(-(rows[:, None] ** 2 + cols**2) / (2 * BAND_PASS**2)).astype(np.float32)
    whitened: Spectrum = low * cross / np.maximum(np.abs(cross), 1e-12)
    return whitened


def peak(spectrum: Spectrum) -> tuple[float, float, float]:
    """Rows, columns and sharpness of the highest peak of a spectrum's correlation."""
    if not spectrum.any():
        # Images without contrast have no peak, of which scikit-image would warn.
        return 0.0, 0.0, 0.0
    surface = ifft2(spectrum).real
    place, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]
        spectrum,
        np.ones_like(spectrum),
        space="fourier",
        normalization=None,
        upsample_factor=STEPS,
    )
    sharpness = (surface.max() - surface.mean()) / max(surface.std(), 1e-12)
    return -float(place[0]), -float(place[1]), float(sharpness)
