"""Sensors: what their bands are called, and which color each is. The only table of them.

Common names are those of STAC's electro-optical extension.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Common name → wavelength in µm, and how far from it a band may lie.
COMMON: dict[str, tuple[float, float]] = {
    "coastal": (0.443, 0.015),
    "blue": (0.48, 0.06),
    "green": (0.56, 0.06),
    "yellow": (0.605, 0.012),
    "red": (0.66, 0.06),
    "rededge071": (0.705, 0.012),
    "rededge075": (0.74, 0.012),
    "rededge078": (0.783, 0.012),
    "nir": (0.84, 0.06),
    "nir08": (0.865, 0.02),
    "nir09": (0.945, 0.02),
    "cirrus": (1.375, 0.03),
    "swir16": (1.61, 0.09),
    "swir22": (2.2, 0.12),
    "lwir11": (10.9, 0.6),
    "lwir12": (12.0, 0.5),
}
# Other spellings, lower case, without spaces, dashes and underscores.
SPELLINGS: dict[str, str] = {
    **{name: name for name in COMMON},
    "r": "red",
    "g": "green",
    "b": "blue",
    "n": "nir",
    "coastalblue": "coastal",
    "coastalaerosol": "coastal",
    "ultrablue": "coastal",
    "aerosol": "coastal",
    "nearinfrared": "nir",
    "infrared": "nir",
    "nir1": "nir",
    "nir2": "nir09",
    "rededge": "rededge071",
    "rededge1": "rededge071",
    "rededge2": "rededge075",
    "rededge3": "rededge078",
    "re1": "rededge071",
    "re2": "rededge075",
    "re3": "rededge078",
    "nirnarrow": "nir08",
    "narrownir": "nir08",
    "nir8a": "nir08",
    "rededge4": "nir08",
    "watervapor": "nir09",
    "watervapour": "nir09",
    "swircirrus": "cirrus",
    "swir1": "swir16",
    "swir2": "swir22",
    "pan": "pan",
    "panchromatic": "pan",
    "greeni": "green1",
    "green1": "green1",
    "greenii": "green",
    "green2": "green",
    "thermal": "lwir11",
    "tir": "lwir11",
    "tirs1": "lwir11",
    "tirs2": "lwir12",
    "lwir": "lwir11",
}
# What is meant where a sensor has no band of the name itself.
NEXT_BEST = {"nir": "nir08", "nir08": "nir", "rededge071": "rededge075"}


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A sensor whose bands are known.

    Attributes:
        name: What it is called.
        files: What a file or folder of its products is called.
        bands: Its own names of bands → common names.
        marks: Names that only its stacks have.
        orders: Common names of the bands of a file that names none, by their number.
    """

    name: str
    files: re.Pattern[str]
    bands: Mapping[str, str] = field(default_factory=dict)
    marks: frozenset[str] = frozenset()
    orders: Mapping[int, Sequence[str]] = field(default_factory=dict)


def _named(text: str) -> dict[str, str]:
    return dict(part.split(":") for part in text.split())


SENTINEL2 = Sensor(
    name="Sentinel-2",
    files=re.compile(
        r"(?:^|[^A-Za-z0-9])(?:S2[ABCD]_|T\d{2}[A-Z]{3}_(?:20)?\d{2}|HLS\.S30|sentinel[-_ ]?2)",
        re.I,
    ),
    bands=_named(
        "B01:coastal B02:blue B03:green B04:red B05:rededge071 B06:rededge075 B07:rededge078 "
        "B08:nir B8A:nir08 B09:nir09 B10:cirrus B11:swir16 B12:swir22"
    ),
    marks=frozenset({"B8A"}),
)
HLS_LANDSAT = Sensor(
    name="HLS Landsat",
    files=re.compile(r"HLS\.L30", re.I),
    bands=_named(
        "B01:coastal B02:blue B03:green B04:red B05:nir B06:swir16 B07:swir22 B09:cirrus "
        "B10:lwir11 B11:lwir12"
    ),
)
LANDSAT_8 = Sensor(
    name="Landsat 8–9",
    files=re.compile(r"(?:^|[^A-Za-z0-9])(?:L[COT]0?[89](?:_|\d{13})|landsat[-_ ]?0?[89])", re.I),
    bands=_named(
        "B1:coastal B2:blue B3:green B4:red B5:nir B6:swir16 B7:swir22 B8:pan B9:cirrus "
        "B10:lwir11 B11:lwir12"
    ),
    marks=frozenset({"SR_B6", "ST_B10"}),
)
LANDSAT_4 = Sensor(
    name="Landsat 4–7",
    files=re.compile(r"(?:^|[^A-Za-z0-9])(?:L[TEM]0?[457](?:_|\d{13})|landsat[-_ ]?0?[457])", re.I),
    bands=_named("B1:blue B2:green B3:red B4:nir B5:swir16 B6:lwir11 B7:swir22 B8:pan"),
    marks=frozenset({"ST_B6"}),
)
PLANETSCOPE = Sensor(
    name="PlanetScope",
    files=re.compile(r"AnalyticMS|PSScene|planetscope|superdove|(?:^|[_-])3B_", re.I),
    orders={
        4: ("blue", "green", "red", "nir"),
        5: ("blue", "green", "red", "rededge071", "nir"),
        8: ("coastal", "blue", "green1", "green", "yellow", "red", "rededge071", "nir"),
    },
)
NAIP = Sensor(
    name="NAIP",
    files=re.compile(r"^m_\d{7}_[ns][ew]_\d+_|(?:^|[_-])naip(?:[_.-]|$)", re.I),
    orders={4: ("red", "green", "blue", "nir")},
)
# A file of HLS is known by its own name before it is taken for a tile of Sentinel-2.
SENSORS = (HLS_LANDSAT, SENTINEL2, LANDSAT_8, LANDSAT_4, PLANETSCOPE, NAIP)
# Bands taken from Sentinel-2 when none are asked for: the four at 10 m.
SENTINEL2_BANDS = ("B04", "B03", "B02", "B08")
# Bands of classes, which come with any sensor's.
QUALITY = {"SCL", "QA_PIXEL", "UDM2"}


def sensor_of(texts: Sequence[str], names: Sequence[str]) -> Sensor | None:
    """The sensor that the names of files, or else those of bands, tell; None where neither does.

    Args:
        texts: Names of the file and of the folders it lies in, the nearest first.
        names: Of the bands.
    """
    for text in texts:
        for sensor in SENSORS:
            if sensor.files.search(text):
                return sensor
    spelled = {name.upper() for name in names} - QUALITY
    for sensor in SENSORS:
        if sensor.marks & spelled:
            return sensor
    # Of those who number bands with two digits most are Sentinel-2's.
    if spelled and all(re.fullmatch(r"B(0\d|1[0-2]|8A)", name) for name in spelled):
        two_digits = any(name.startswith("B0") for name in spelled)
        return SENTINEL2 if two_digits else None
    return None


def common_name(text: str) -> str | None:
    """The common name that a text spells, such as "swir16" for "SWIR 1"; None if it is none."""
    return SPELLINGS.get(re.sub(r"[\s_-]", "", text).lower())


def common_of_wavelength(length: float | None) -> str | None:
    """The common name of a band at a wavelength in µm, the nearest within reach."""
    if length is None:
        return None
    gaps = {
        name: abs(length - center)
        for name, (center, reach) in COMMON.items()
        if abs(length - center) <= reach
    }
    return min(gaps, key=lambda name: gaps[name], default=None)
