"""Which band of a raster is red, green, blue, near or short-wave infrared."""

from __future__ import annotations

from collections.abc import Mapping

from metriccd.raster import Raster

# Names in a folder of Sentinel-2 bands, beside the names of the roles themselves.
SENTINEL2 = {
    "b02": "blue",
    "b03": "green",
    "b04": "red",
    "b08": "nir",
    "b8a": "nir",
    "b11": "swir1",
    "b12": "swir2",
}
ROLES = ("red", "green", "blue", "nir", "swir1", "swir2")


def roles_of(raster: Raster, rgb: tuple[int, int, int]) -> dict[str, int]:
    """Role → position among the bands of a raster, by name, description or color.

    Three bands of which none tells another role are what is shown as red, green and blue.

    Args:
        raster: The image.
        rgb: Positions of what is shown as red, green and blue.
    """
    found: dict[str, int] = {}
    for position, band in enumerate(raster.bands):
        for said in (band.name, band.description, band.color):
            role = _role(said)
            if role is not None:
                found.setdefault(role, position)
                break
    if len(raster.bands) == 3 and (not found or found.keys() == {"red", "green", "blue"}):
        return dict(zip(("red", "green", "blue"), rgb, strict=True))
    return found


def _role(said: str) -> str | None:
    word = said.strip().lower()
    names: Mapping[str, str] = SENTINEL2 | {role: role for role in ROLES}
    return names.get(word)
