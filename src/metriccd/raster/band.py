"""A band: where it is stored, what it is called, and what its file says of its pixels."""

from __future__ import annotations

import re
from dataclasses import dataclass

from metriccd.raster.grid import Grid

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
