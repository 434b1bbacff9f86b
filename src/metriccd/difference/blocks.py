"""What a difference method reads (blocks) and what it gives back (a difference image)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float64, Real

from metriccd.errors import DataError
from metriccd.storage import storable

Image: TypeAlias = Float[np.ndarray, "band row col"]
Components: TypeAlias = Float[np.ndarray, "component row col"]

Block: TypeAlias = tuple[
    Float[np.ndarray, "band row col"],
    Float[np.ndarray, "band row col"],
    Bool[np.ndarray, "row col"],
]
"""One window of a pair: t1, t2 and where both are usable (True)."""

Blocks: TypeAlias = Iterable[Block]
"""The windows of a pair. Iterated once per pass, so a list or an object with `__iter__`."""

Apply: TypeAlias = Callable[[Image, Image], Components]
Merge: TypeAlias = Callable[[Components], Float[np.ndarray, "row col"]]

Pixels: TypeAlias = Float64[np.ndarray, "feature pixel"]
"""Stacked pixels: the bands of t1 above those of t2."""

Values: TypeAlias = Float64[np.ndarray, "component pixel"]

_STRIP_VALUES = 2**17
"""float64 values worked on at once: 1 MiB, which stays in cache."""


@storable
def mean_over_components(
    components: Float[np.ndarray, "component row col"],
) -> Float[np.ndarray, "row col"]:
    """Mean over components, the merge of the MATLAB ChangeDetectionToolbox."""
    mean: np.ndarray = components.mean(axis=0)
    return mean


@storable
def chi_square(
    components: Float[np.ndarray, "component row col"],
) -> Float[np.ndarray, "row col"]:
    """Sum of squares: components of unit variance give the chi-square statistic."""
    total: np.ndarray = np.einsum("krc,krc->rc", components, components)
    return total


@storable
def magnitude(
    components: Float[np.ndarray, "component row col"],
) -> Float[np.ndarray, "row col"]:
    """Euclidean norm over components."""
    norm: np.ndarray = np.sqrt(chi_square(components))
    return norm


@storable
@dataclass(frozen=True, kw_only=True)
class DifferenceImage:
    """A fitted difference method: global statistics, and how to apply them to any window.

    Attributes:
        apply: (t1, t2) of one window, (band, row, col) each, to (component, row, col); float32
            for float32 input. Pixels that are NaN in any band are no data: NaN in the result,
            and without influence on their neighbors.
        components: number of components that `apply` returns.
        halo: pixels of context around a window that `apply` needs; the caller crops them.
        chi2_dof: degrees of freedom where `merge` gives a statistic that is chi-square
            distributed on unchanged pixels; None elsewhere.
        warnings: what the user should know about the fit, one line each.
        merge: components to one scalar per pixel, larger = more change. Mean over components
            unless the method says otherwise.
    """

    apply: Apply
    components: int
    halo: int = 0
    chi2_dof: int | None = None
    warnings: tuple[str, ...] = ()
    merge: Merge = mean_over_components


def strips(bands: int, rows: int, cols: int) -> Iterator[slice]:
    """Row ranges of a window, each small enough to be worked on in cache."""
    height = max(1, _STRIP_VALUES // max(1, bands * cols))
    for start in range(0, rows, height):
        yield slice(start, min(start + height, rows))


def stack_dates(
    t1: Float[np.ndarray, "band row col"], t2: Float[np.ndarray, "band row col"]
) -> Pixels:
    """Both dates' bands as the rows of one float64 matrix, t1 above t2."""
    bands = t1.shape[0]
    stacked = np.empty((2 * bands, *t1.shape[1:]))
    stacked[:bands] = t1
    stacked[bands:] = t2
    return stacked.reshape(2 * bands, -1)


def band_count(blocks: Blocks) -> int:
    """Number of bands, from the first block.

    Raises:
        DataError: there is no block.
    """
    for t1, _, _ in blocks:
        return int(t1.shape[0])
    raise DataError("a pair needs at least one window, got none: check the image size")


@storable
@dataclass(frozen=True)
class Pixelwise:
    """An `apply` for `DifferenceImage`, from a function of stacked pixels.

    It works strip by strip, so that its temporaries fit in cache.

    Attributes:
        function: (2·band, pixel), t1 above t2, to (component, pixel), both float64; may
            overwrite its argument. `storable`, as is all that a fit is made of.
        components: number of components that `function` returns.
    """

    function: Callable[[Pixels], Values]
    components: int

    def __call__(
        self, t1: Float[np.ndarray, "band row col"], t2: Float[np.ndarray, "band row col"]
    ) -> Float[np.ndarray, "component row col"]:
        """The components of a window."""
        bands, rows, cols = t1.shape
        out = np.empty((self.components, rows, cols), dtype=np.result_type(t1, t2))
        with np.errstate(invalid="ignore"):  # no-data pixels are NaN and stay NaN
            for strip in strips(2 * bands, rows, cols):
                values = self.function(stack_dates(t1[:, strip], t2[:, strip]))
                out[:, strip] = values.reshape(self.components, -1, cols)
        return out


def on_arrays(
    method: Callable[..., DifferenceImage],
    t1: Real[np.ndarray, "band row col"],
    t2: Real[np.ndarray, "_band _row _col"],  # compared below, for a better message
    valid: Bool[np.ndarray, "row col"] | None = None,
    **options: object,
) -> Float[np.ndarray, "component row col"]:
    """Run a difference method on whole arrays.

    Args:
        method: any method of this package, for example `irmad`.
        t1: first date, (band, row, col), any real type.
        t2: second date, same shape.
        valid: True = usable; default: everywhere. Pixels that are not finite in any band of
            either date are never used.
        **options: keyword arguments of the method.

    Returns:
        The components, (component, row, col), NaN where not valid.

    Raises:
        ValueError: the shapes differ.
        DataError: no pixel is valid.
    """
    if t1.shape != t2.shape:
        raise ValueError(f"t1 and t2 must have one shape, got {t1.shape} and {t2.shape}: align t2")
    image1, image2 = (t.astype(np.result_type(t.dtype, np.float32), copy=False) for t in (t1, t2))
    usable = np.isfinite(image1).all(axis=0) & np.isfinite(image2).all(axis=0)
    if valid is not None:
        usable &= valid
    if not usable.all():
        image1, image2 = (np.where(usable, t, np.nan).astype(t.dtype) for t in (image1, image2))
    components = method([(image1, image2, usable)], **options).apply(image1, image2)
    if not usable.all():
        components[:, ~usable] = np.nan
    return components
