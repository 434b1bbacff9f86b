"""Which band of a raster is red, green, blue, near or short-wave infrared."""

from __future__ import annotations

from metriccd.raster import Raster

# Common names of bands → roles; of several bands of one role the first name counts.
ROLES = {
    "red": "red",
    "green": "green",
    "blue": "blue",
    "nir": "nir",
    "nir08": "nir",
    "swir16": "swir1",
    "swir22": "swir2",
}


def roles_of(raster: Raster, rgb: tuple[int, int, int]) -> dict[str, int]:
    """Role → position among the bands of a raster, by what their files tell.

    Three bands of which none tells another role are what is shown as red, green and blue.

    Args:
        raster: The image.
        rgb: Positions of what is shown as red, green and blue.
    """
    names = [band.common for band in raster.bands]
    found: dict[str, int] = {}
    for name, role in ROLES.items():
        if name in names:
            found.setdefault(role, names.index(name))
    if len(raster.bands) == 3 and (not found or found.keys() == {"red", "green", "blue"}):
        return dict(zip(("red", "green", "blue"), rgb, strict=True))
    return found
