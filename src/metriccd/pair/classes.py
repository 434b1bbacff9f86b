"""Classes of pixels by name: what the quality bands of products say, and what of it to leave out.

SCL is the scene classification of Sentinel-2 Level-2A, QA_PIXEL the bits of Landsat Collection 2,
UDM2 the eight bands of Planet's usable data mask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.errors import DataError
from metriccd.raster import Raster

# Name of a class → value (SCL), bit from 0 (QA_PIXEL) or band from 1 (UDM2).
SCHEMES: dict[str, dict[str, int]] = {
    "SCL": {
        "nodata": 0,
        "saturated": 1,
        "dark": 2,
        "shadow": 3,
        "vegetation": 4,
        "bare": 5,
        "water": 6,
        "unclassified": 7,
        "cloud_medium": 8,
        "cloud": 9,
        "cirrus": 10,
        "snow": 11,
    },
    "QA_PIXEL": {
        "fill": 0,
        "dilated": 1,
        "cirrus": 2,
        "cloud": 3,
        "shadow": 4,
        "snow": 5,
        "clear": 6,
        "water": 7,
    },
    "UDM2": {"clear": 1, "snow": 2, "shadow": 3, "haze": 4, "heavy_haze": 5, "cloud": 6},
    "VALUES": {},
}
# Left out where only the scheme is named.
USUAL: Mapping[str, tuple[int, ...]] = {
    "SCL": (0, 1, 3, 8, 9, 10),
    "QA_PIXEL": (0, 1, 2, 3, 4),
    "UDM2": (3, 4, 5, 6),
}
WRITTEN = re.compile(
    r"(?:(?P<path>.+):)?(?P<scheme>SCL|QA_PIXEL|UDM2|VALUES)(?:=(?P<classes>.*))?", re.IGNORECASE
)
# Whole words of file names and band names that tell a band of classes.
NAMED = re.compile(r"(?:^|[^a-z0-9])(scl|qa_pixel|udm2)(?:$|[^a-z])", re.IGNORECASE)
# QA_PIXEL of clear land and water, cloud and shadow, as Landsat 8–9 and 4–7 write them.
QA_VALUES = (21824, 21888, 21952, 22280, 23888, 5440, 5504, 5896, 7440)


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Which pixels of a quality band are left out.

    Attributes:
        scheme: Key of `SCHEMES`, or "NONZERO".
        numbers: Values, bits or bands.
    """

    scheme: str = "NONZERO"
    numbers: tuple[int, ...] = ()

    def of_bands(self, raster: Raster) -> Raster:
        """The bands that the scheme looks at.

        Raises:
            DataError: The raster does not have them.
        """
        count = len(raster.bands)
        if self.scheme == "UDM2":
            if count < max(self.numbers):
                raise DataError(
                    f"UDM2 has at least {max(self.numbers)} bands: {raster.label} has {count}; "
                    "give the file that ends in _udm2.tif"
                )
            return raster
        if self.scheme == "NONZERO" or count == 1:
            return raster
        names = [band.name.upper() for band in raster.bands]
        if self.scheme not in names:
            raise DataError(
                f"a mask of classes must have one band, or one that is called {self.scheme}: "
                f"{raster.label} has {count}; cut it out with gdal_translate -b"
            )
        return raster.select([self.scheme])

    def __call__(self, values: Float32[np.ndarray, "band row col"]) -> Bool[np.ndarray, "row col"]:
        """Where to leave pixels out."""
        found: Bool[np.ndarray, "row col"]
        if self.scheme == "UDM2":
            found = (values[[number - 1 for number in self.numbers]] != 0).any(axis=0)
        elif self.scheme == "QA_PIXEL":
            bits = sum(1 << number for number in self.numbers)
            found = (values[0].astype(np.int64) & bits) != 0
        elif self.scheme == "NONZERO":
            found = (values != 0).any(axis=0)
        else:
            found = np.isin(values[0], self.numbers)
        return found


def split_classes(text: str) -> tuple[str | None, Classes] | None:
    """A file (None: the images' own band) and classes from "scl.tif:SCL=3,8" or "SCL"; else None.

    Raises:
        DataError: No such class, or none at all.
    """
    match = WRITTEN.fullmatch(text.strip())
    if match is None:
        return None
    scheme = match["scheme"].upper()
    names = (match["classes"] or "").strip()
    path = match["path"]
    if path is None and scheme == "VALUES":
        raise DataError(f"VALUES needs a file: got {text}; write FILE:VALUES=1,2,4-6")
    if not names:
        if scheme not in USUAL or match["classes"] is not None:
            raise DataError(f"a mask must name its classes: got {text}; write {scheme}=1,2")
        return path, Classes(scheme=scheme, numbers=USUAL[scheme])
    numbers = [number for name in names.split(",") for number in _numbers(scheme, name)]
    return path, Classes(scheme=scheme, numbers=tuple(sorted(set(numbers))))


def _numbers(scheme: str, name: str) -> Sequence[int]:
    """What a class name, a number or a range such as 4-6 stands for."""
    known, wanted = SCHEMES[scheme], name.strip().lower()
    if wanted in known:
        return [known[wanted]]
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", wanted)
    if match is not None:
        numbers = range(int(match[1]), int(match[2] or match[1]) + 1)
        if numbers and (not known or set(numbers) <= _possible(scheme)):
            return numbers
    choice = f"{', '.join(known)}, or their numbers" if known else "numbers such as 1,2,4-6"
    raise DataError(f"no class {name.strip()!r} of {scheme}: choose from {choice}")


def _possible(scheme: str) -> set[int]:
    return set(range(16)) if scheme == "QA_PIXEL" else set(SCHEMES[scheme].values())


def looks_like(label: str, values: Float32[np.ndarray, "band row col"]) -> str | None:
    """The scheme that a plain raster's name or values betray, or None.

    Args:
        label: What it is called.
        values: Some of its pixels.
    """
    match = NAMED.search(label.replace("\\", "/").rpartition("/")[2])
    found = np.unique(values[0])
    if match is not None and not set(found.tolist()) <= {0, 1, 255}:
        return match[1].upper()
    if len(values) == 1 and np.isin(found, QA_VALUES).any():
        return "QA_PIXEL"
    if len(values) == 1 and len(found) >= 4 and np.isin(found, range(12)).all():
        return "SCL"
    return None
