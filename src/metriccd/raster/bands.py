"""Bands: where they are stored, what their files say of them, and which one a name means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from metriccd.errors import DataError, meant
from metriccd.raster.grid import Grid
from metriccd.raster.paths import redacted
from metriccd.raster.sensors import (
    COMMON,
    NEXT_BEST,
    Sensor,
    common_name,
    common_of_wavelength,
    sensor_of,
)

SPECTRAL = re.compile(r"(?:S[RT]_)?B0*(\d{1,2})(A?)", re.IGNORECASE | re.ASCII)
WAVELENGTH = re.compile(r"(\d*\.?\d+)\s*(micrometers|µm|um|nanometers|nm)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Band:
    """One band of a raster: where it is stored and what it is called.

    Attributes:
        path: What GDAL opens.
        index: Band number in that file, from 1.
        name: Its name: "B04" in a folder of band files, else the description or the number.
        description: What the file says of it.
        color: "red", "green", "blue", "alpha", … where the file says so.
        common: Its common name, as `sensors.COMMON` has them, where anything tells it.
        wavelength: In µm, where the file tells it.
        sensor: Name of the sensor, where that is known.
        grid: The file's own grid.
        dtype: NumPy name of the pixel type.
        nodata: Value of missing pixels, where the file declares one.
        mask: What says where pixels are, as a VRT calls it: "4", an alpha band, or "mask,1".
        scale: Physical value = stored value · scale + offset.
        offset: Likewise.
    """

    path: str
    index: int
    name: str
    description: str = ""
    color: str = ""
    common: str = ""
    wavelength: float | None = None
    sensor: str = ""
    grid: Grid
    dtype: str = "float32"
    nodata: float | None = None
    mask: str | None = None
    scale: float = 1.0
    offset: float = 0.0

    @property
    def spectral(self) -> str | None:
        """Its name as "B04" or "B8A", where it is such a name."""
        return spectral_name(self.name)


def spectral_name(text: str) -> str | None:
    """Name as "B04" or "B8A", of "B4" or "b8a"; None where the text is no such name."""
    match = SPECTRAL.fullmatch(text.strip())
    if match is None:
        return None
    return f"B{match[1]}A" if match[2] else f"B{match[1].zfill(2)}"


def wavelength_in(text: str) -> float | None:
    """Wavelength in µm in a description such as "Band 3 (0.660000 Micrometers)"."""
    match = WAVELENGTH.search(text)
    if match is None:
        return None
    return float(match[1]) / (1000 if match[2].lower().startswith("n") else 1)


def wavelength_tagged(tags: dict[str, str]) -> float | None:
    """Wavelength in µm from the metadata of a band, as ENVI's headers and GDAL have it."""
    told = {name.lower(): value for name, value in tags.items()}
    if "central_wavelength_um" in told:
        return _number(told["central_wavelength_um"])
    length = _number(told.get("wavelength", ""))
    if length is None:
        return None
    unit = told.get("wavelength_units", "").lower()
    nano = unit.startswith("nano") or unit == "nm" or (not unit and length > 100)
    return length / 1000 if nano else length


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


# What drawing programs and libraries write where nobody named a band.
NO_NAME = re.compile(r"(?:band[\s_-]*|b)?\d*", re.IGNORECASE)


def identified(bands: Sequence[Band], texts: Sequence[str]) -> tuple[tuple[Band, ...], str | None]:
    """Bands with their sensor and common names, and what was guessed of them, if anything.

    Args:
        bands: Of one image.
        texts: Names of its file and of the folders it lies in.
    """
    sensor = sensor_of(texts, [band.name for band in bands])
    if sensor is None:
        return tuple(replace(band, common=_common(band)) for band in bands), None
    order = sensor.orders.get(len(bands))
    if order is not None and all(NO_NAME.fullmatch(band.name) for band in bands):
        named = [
            replace(band, name=name, common=name, sensor=sensor.name, color=band.color)
            for band, name in zip(bands, order, strict=True)
        ]
        return tuple(named), (
            f"bands were taken in the order of {sensor.name}, {', '.join(order)}, which the "
            "file's name alone tells; --band-names says otherwise"
        )
    return tuple(_of_sensor(band, sensor) for band in bands), None


def _of_sensor(band: Band, sensor: Sensor) -> Band:
    """A band with the sensor's spelling of its name, and its common name."""
    spectral = spectral_name(band.name)
    for own, common in sensor.bands.items():
        if spectral is not None and spectral == spectral_name(own):
            return replace(band, name=own, common=common, sensor=sensor.name)
    return replace(band, common=_common(band), sensor=sensor.name)


def _common(band: Band) -> str:
    """Common name by a band's own name, its role, or its wavelength."""
    for text in (band.name, band.description, band.color):
        if found := common_name(text):
            return found
    return common_of_wavelength(band.wavelength) or ""


def renamed(bands: Sequence[Band], names: Sequence[str], label: str) -> tuple[Band, ...]:
    """The bands with names that the user gives; what their file says of colors counts no more.

    Raises:
        DataError: There are not as many names as bands, or two are the same.
    """
    if len(names) != len(bands):
        raise DataError(
            f"--band-names must name every band: {label} has {len(bands)}, got {len(names)} names"
        )
    spelled = [name.strip().lower() for name in names]
    twice = next((name for name in spelled if spelled.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"--band-names must differ: got {twice} twice; number them, as in red2")
    plain = [
        replace(band, name=name.strip(), description="", color="", wavelength=None, common="")
        for band, name in zip(bands, names, strict=True)
    ]
    return identified(plain, ())[0]


def nameless(bands: Iterable[Band]) -> bool:
    """Whether a file names none of its bands."""
    return all(NO_NAME.fullmatch(band.description) and not band.sensor for band in bands)


def find(bands: Sequence[Band], token: str, label: str) -> Band:
    """The band that a token names: by name or description, color, common name, or position.

    Args:
        bands: The bands of an image.
        token: As in `Raster.select`.
        label: What the user called the image.

    Raises:
        DataError: No such band.
    """
    wanted = token.strip().lower()
    found = _by_name(bands, wanted) or _by_color(bands, wanted) or _by_position(bands, wanted)
    if found is not None:
        return found
    names = [band.name for band in bands]
    choice = ("; " if any("," in name for name in names) else ", ").join(names)
    told = common_name(wanted) is None or not nameless(bands)
    hint = "" if told else "; or name them with --band-names"
    raise DataError(
        f"no band {token!r} in {label}: choose from {choice}{meant(token, names)}{hint}"
    )


def _by_name(bands: Sequence[Band], wanted: str) -> Band | None:
    spectral = spectral_name(wanted) or spectral_name(f"b{wanted}")
    for band in bands:
        if wanted and wanted in {band.name.lower(), band.description.lower()}:
            return band
        if spectral is not None and spectral == spectral_name(band.name):
            return band
    return None


def _by_color(bands: Sequence[Band], wanted: str) -> Band | None:
    """By the color that the file states, or by what sensor and wavelength tell."""
    for band in bands:
        if wanted and wanted == band.color.lower():
            return band
    asked = common_name(wanted)
    for common in (asked, NEXT_BEST.get(asked or "")):
        called = [band for band in bands if common is not None and band.common == common]
        if called:
            return min(called, key=lambda band: _gap(band, str(common)))
    return None


def _gap(band: Band, common: str) -> float:
    """How far a band's wavelength is from that of a common name; 0 where it is not told."""
    if band.wavelength is None or common not in COMMON:
        return 0.0
    return abs(band.wavelength - COMMON[common][0])


def _by_position(bands: Sequence[Band], wanted: str) -> Band | None:
    """By number; where bands have spectral names a number is a name, not a position."""
    if not (wanted.isascii() and wanted.isdecimal()) or len(wanted) > 9:
        return None
    if all(spectral_name(band.name) for band in bands if band.color != "alpha"):
        return None
    inside = (
        sorted(bands, key=lambda band: band.index) if len({b.path for b in bands}) == 1 else bands
    )
    return inside[int(wanted) - 1] if 1 <= int(wanted) <= len(inside) else None


def refuse_palettes(bands: Iterable[Band]) -> None:
    """Raises DataError where a band holds palette indexes, whose differences mean nothing."""
    for band in bands:
        if band.color == "palette":
            raise DataError(
                f"colors must be values, not palette indexes: {redacted(band.path)}; "
                "expand it with gdal_translate -expand rgb"
            )
