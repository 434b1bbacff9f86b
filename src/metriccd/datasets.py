"""Folders of image pairs with references, in the layouts that published data sets come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from metriccd.errors import DataError

# The bands of Sentinel-2, which OSCD holds as one file each.
SENTINEL2 = (*(f"B{number:02}" for number in range(1, 9)), "B8A", "B09", "B10", "B11", "B12")
# Files that lie beside rasters and belong to them.
SIDE_FILES = frozenset({".xml", ".hdr", ".ovr", ".tfw", ".pgw", ".bpw", ".prj", ".json", ".txt"})


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two images of one place and what is known about the change between them.

    Attributes:
        name: The pair within its data set.
        t1: First image: a file, or a folder of band files.
        t2: Second image, likewise.
        reference: File of the ground truth.
        bands: Bands to compare; None for all, or for what `read_pair` takes by itself.
    """

    name: str
    t1: Path
    t2: Path
    reference: Path
    bands: tuple[str, ...] | None = None


def oscd(root: Path, *, bands: Sequence[str] | None = None) -> list[Pair]:
    """Onera Satellite Change Detection (Daudt et al. 2018), a folder for each city.

    Args:
        root: Folder of `<city>/cm/<city>-cm.tif` beside `<city>/pair/img1.png, img2.png` (red,
            green, blue) or `<city>/imgs_1/`, `<city>/imgs_2/` (a file for each band).
        bands: Bands of the band files, for the cities that have them. By default the pictures,
            or the four 10 m bands where a city has no pictures.

    Returns:
        The cities in alphabetical order.

    Raises:
        DataError: `root` holds no such city.
    """
    chosen = None if bands is None else tuple(bands)
    pairs = []
    for reference in sorted(root.glob("*/cm/*-cm.tif")):
        city = reference.parents[1]
        pictures, folders = city / "pair", (city / "imgs_1", city / "imgs_2")
        t1, t2 = pictures / "img1.png", pictures / "img2.png"
        if chosen is not None or not (t1.is_file() and t2.is_file()):
            t1, t2 = folders
        if t1.exists() and t2.exists():
            pair = Pair(name=city.name, t1=t1, t2=t2, reference=reference, bands=chosen)
            pairs.append(pair)
    images = "pair/img1.png, img2.png or imgs_1, imgs_2" if chosen is None else "imgs_1, imgs_2"
    return _some(pairs, root, f"OSCD holds <city>/cm/<city>-cm.tif and <city>/{images}")


def sztaki(root: Path) -> list[Pair]:
    """SZTAKI AirChange (Benedek & Szirányi 2009): aerial images, 952 × 640, 1.5 m.

    Args:
        root: Folder of `<place>/<n>/im1.bmp, im2.bmp, gt.bmp`.

    Returns:
        The pairs by place and number, named "Szada 1".

    Raises:
        DataError: `root` holds no such pair.
    """
    pairs = [
        Pair(
            name=f"{folder.parent.name} {folder.name}",
            t1=folder / "im1.bmp",
            t2=folder / "im2.bmp",
            reference=folder / "gt.bmp",
        )
        for folder in sorted(root.glob("*/*/"))
        if all((folder / name).is_file() for name in ("im1.bmp", "im2.bmp", "gt.bmp"))
    ]
    return _some(pairs, root, "SZTAKI AirChange holds <place>/<n>/im1.bmp, im2.bmp, gt.bmp")


def plain(root: Path) -> list[Pair]:
    """Any data set in three folders, where files of one pair have one stem.

    Args:
        root: Folder of `t1/<name>.*`, `t2/<name>.*` and `reference/<name>.*`.

    Returns:
        The pairs in alphabetical order.

    Raises:
        DataError: A folder is missing or empty, or a file has no counterpart.
    """
    stems = {name: _by_stem(root / name) for name in ("t1", "t2", "reference")}
    names = sorted(set().union(*stems.values())) if all(stems.values()) else []
    for stem in names:
        for folder, files in stems.items():
            if stem not in files:
                raise DataError(
                    "t1, t2 and reference must hold files of equal stems: "
                    f"{root / folder} has no {stem}.*; add it, or remove the others"
                )
    pairs = [
        Pair(name=name, t1=t1, t2=t2, reference=reference)
        for name in names
        for t1, t2, reference in [tuple(files[name] for files in stems.values())]
    ]
    return _some(pairs, root, "a plain data set holds rasters in t1/, t2/ and reference/")


def _by_stem(folder: Path) -> dict[str, Path]:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {
        file.stem: file
        for file in files
        if not file.name.startswith(".") and file.suffix.lower() not in SIDE_FILES
    }


def _some(pairs: list[Pair], root: Path, layout: str) -> list[Pair]:
    if not pairs:
        raise DataError(f"{layout}: {root} does not; check the path")
    return pairs


DATASETS: dict[str, Callable[[Path], list[Pair]]] = {
    "oscd": oscd,
    "sztaki": sztaki,
    "plain": plain,
}
