"""Clouds and their shadows, found by the network of ukis-csmask (extra `clouds`).

The network sees blue, green, red and near infrared (better: both short-wave infrared bands too)
as reflectance, on pixels of about 30 m. Each date is read on such a grid, and its mask is read
back on the pair's.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.errors import DataError
from metriccd.pair.classes import Classes
from metriccd.pair.masks import Mask
from metriccd.pair.offset import Offset
from metriccd.raster import Band, Grid, Raster, from_array
from metriccd.stages import Stages

# Meters of a pixel that the network was trained on.
PIXEL = 30.0
# Pixels of a window that is looked at together, and of the context that is thrown away.
SIDE, HALO = 1024, 64
# The network's tile: anything smaller is mirrored up to it.
TILE = 256
# Names that bands have, for each that the network knows, in its order.
BANDS = {
    "blue": {"blue", "b02"},
    "green": {"green", "b03"},
    "red": {"red", "b04"},
    "nir": {"nir", "b08", "nir08", "b8a"},
    "swir16": {"swir16", "swir1", "b11"},
    "swir22": {"swir22", "swir2", "b12"},
}
REFLECTANCE = 10_000.0
CLOUD, SHADOW = 1, 2


def cloud_mask(
    raster: Raster, grid: Grid, offset: Offset, *, date: Any, dilation: int, stages: Stages | None
) -> Mask:
    """Clouds and shadows of one date.

    Args:
        raster: All bands of the image.
        grid: Of the pair.
        offset: What is added to its values.
        date: "t1" or "t2".
        dilation: Pixels of the pair's grid by which the mask grows.
        stages: Records time and reports progress.

    Raises:
        DataError: The extra is not installed, a band is missing, or values are no reflectance.
    """
    network = _network()
    names, bands = _bands(raster)
    step = max(round(PIXEL / _meters(grid)), 1)
    coarse = grid.coarser(step)
    found = np.zeros(coarse.shape, np.uint8)
    windows = list(coarse.windows(SIDE))
    stages = stages or Stages()
    with stages.stage("clouds", len(windows)) as advance, bands.reader(coarse) as read:
        for window in windows:
            padded = window.padded((HALO, HALO), coarse.shape)
            values, valid = read(padded)
            reflectance = (values + np.float32(offset.value)) / np.float32(REFLECTANCE)
            _require_reflectance(reflectance, valid, raster.label)
            classes = _classes(
                network, np.where(valid, reflectance, 0).astype(np.float32), names, _level(raster)
            )
            top, left = window.row - padded.row, window.col - padded.col
            inner = np.s_[top : top + window.height, left : left + window.width]
            found[window.slices] = np.where(valid, classes, 0)[inner]
            advance(1)
    mask = from_array(
        found[np.newaxis],
        label=f"clouds of {date}",
        transform=coarse.transform,
        crs=coarse.crs,
    )
    classes_out = Classes(scheme="VALUES", numbers=(CLOUD, SHADOW))
    return Mask(source=mask, classes=classes_out, dilation=dilation + step // 2, date=date)


def _network() -> Any:
    try:
        return import_module("ukis_csmask.mask").CSmask
    except ImportError:
        raise DataError(
            "--clouds auto needs the extra 'clouds', which is not installed: "
            "pip install 'metriccd[clouds]'"
        ) from None


def _bands(raster: Raster) -> tuple[list[str], Raster]:
    """The network's names of bands, and the bands: six where there are, else four."""
    found: dict[str, Band] = {}
    for name, known in BANDS.items():
        for band in raster.bands:
            told = {band.name.lower(), band.color.lower(), band.description.lower()}
            if ({band.common} if band.common else told) & known:
                found.setdefault(name, band)
    names = list(BANDS) if len(found) == len(BANDS) else list(BANDS)[:4]
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(
            f"--clouds auto needs blue, green, red and nir: {raster.label} has no band called "
            f"{missing[0]}; name its bands, or give a mask"
        )
    return names, raster.select([found[name].name for name in names])


def _level(raster: Raster) -> str:
    """Whether values are of the surface or of the top of the atmosphere, as names tell."""
    text = " ".join((raster.label, *(band.path for band in raster.bands)))
    return "l2a" if re.search(r"L2A|L2SP|[_.-]SR[_.-]", text, re.IGNORECASE) else "l1c"


def _meters(grid: Grid) -> float:
    """Side of a pixel; 30 m where nobody knows."""
    area = grid.pixel_area
    return PIXEL if not area else float(np.sqrt(area))


def _require_reflectance(
    values: Float32[np.ndarray, "band row col"], valid: Bool[np.ndarray, "row col"], label: str
) -> None:
    """Raises DataError where values cannot be reflectance × 10,000."""
    if valid.any() and not 0.005 < float(np.median(values[:, valid])) < 1.5:
        raise DataError(
            f"--clouds auto needs reflectance × 10,000: the values of {label} are "
            f"about {float(np.median(values[:, valid])) * REFLECTANCE:.3g}; give a mask instead"
        )


def _classes(
    network: Any, values: Float32[np.ndarray, "band row col"], names: list[str], level: str
) -> np.ndarray:
    """Class of each pixel: 0 clear, 1 cloud, 2 shadow."""
    rows, cols = values.shape[1:]
    more = [(0, 0), (0, max(TILE - rows, 0)), (0, max(TILE - cols, 0))]
    image = np.pad(values, more, mode="symmetric").transpose(1, 2, 0)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        found = network(
            img=np.ascontiguousarray(image),
            band_order=names,
            product_level=level,
            providers=["CPUExecutionProvider"],
        )
    return np.asarray(found.csm[:rows, :cols, 0])
