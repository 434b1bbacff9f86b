"""Folders of image pairs with references, in the layouts that published data sets come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from metriccd.errors import DataError

# The bands of Sentinel-2, which OSCD holds as one file each.
SENTINEL2 = (*(f"B{number:02}" for number in range(1, 9)), "B8A", "B09", "B10", "B11", "B12")
# The official test cities of OSCD; all others train.
OSCD_TEST = frozenset(
    {"brasilia", "chongqing", "dubai", "lasvegas", "milano"}
    | {"montpellier", "norcia", "rio", "saclay_w", "valencia"}
)
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
        split: Part of the data set that the pair belongs to; "all" where there are no parts.
        inverted: True where low labels of the reference are change and high ones are not.
        unchanged_label: What the data set calls no change, where its labels are not 0 and others.
    """

    name: str
    t1: Path
    t2: Path
    reference: Path
    bands: tuple[str, ...] | None = None
    split: str = "all"
    inverted: bool = False
    unchanged_label: float | None = None


def find_pairs(
    dataset: str, root: Path, *, split: str = "all", bands: Sequence[str] | None = None
) -> list[Pair]:
    """The pairs of a data set, or of one of its splits.

    Args:
        dataset: Key of `DATASETS`.
        root: Its folder.
        split: "all"; "train" or "test" of OSCD (Daudt et al. 2018); a place of SZTAKI AirChange.
        bands: Bands to compare; of OSCD, this takes the band files instead of the pictures.

    Raises:
        DataError: `root` holds no such data set, or a pair has no reference.
        ValueError: No such data set or split.
    """
    if dataset not in DATASETS:
        raise ValueError(f"no data set {dataset!r}: choose from {', '.join(DATASETS)}")
    names = None if bands is None else tuple(bands)
    pairs = oscd(root, bands=names) if dataset == "oscd" else DATASETS[dataset](root)
    splits = sorted({pair.split for pair in pairs} - {"all"})
    if split != "all" and split not in splits:
        raise ValueError(f"no split {split!r} in {root}: choose from {', '.join(['all', *splits])}")
    selected = [replace(pair, bands=names) for pair in pairs if split in {"all", pair.split}]
    missing = [pair.reference for pair in selected if not pair.reference.is_file()]
    if missing:
        lacking = {pair.split for pair in selected if not pair.reference.is_file()}
        complete = sorted({pair.split for pair in selected} - lacking)
        remedy = f", or choose --split {' or '.join(complete)}" if complete else ""
        raise DataError(
            f"a pair must have a reference: {len(missing)} of {len(selected)} have none, such as "
            f"{missing[0]}; add the labels{remedy}"
        )
    return selected


def oscd(root: Path, *, bands: Sequence[str] | None = None) -> list[Pair]:
    """Onera Satellite Change Detection (Daudt et al. 2018), a folder for each city.

    It comes as three archives: images, labels of the training cities, labels of the test cities.
    Unpack them into one folder, without the outer folder of each, so that a city's images and its
    `cm` lie side by side. The labels of the test cities may be missing.

    Args:
        root: Folder of `<city>/cm/<city>-cm.tif` beside `<city>/pair/img1.png, img2.png` (red,
            green, blue) or `<city>/imgs_1/`, `<city>/imgs_2/` (a file for each band).
        bands: Bands of the band files, for the cities that have them. By default the pictures,
            or the four 10 m bands where a city has no pictures.

    Returns:
        The cities in alphabetical order, split into "train" and "test".

    Raises:
        DataError: `root` holds no such city.
    """
    names = None if bands is None else tuple(bands)
    pairs = []
    for city in sorted(path for path in root.glob("*/") if path.is_dir()):
        reference = city / "cm" / f"{city.name}-cm.tif"
        t1, t2 = city / "pair" / "img1.png", city / "pair" / "img2.png"
        if names is not None or not (t1.is_file() and t2.is_file()):
            t1, t2 = city / "imgs_1", city / "imgs_2"
        test = city.name in OSCD_TEST
        if t1.exists() and t2.exists() and (test or reference.is_file()):
            split = "test" if test else "train"
            pairs.append(
                Pair(
                    name=city.name,
                    t1=t1,
                    t2=t2,
                    reference=reference,
                    bands=names,
                    split=split,
                    unchanged_label=1.0,
                )
            )
    images = "pair/img1.png, img2.png or imgs_1, imgs_2" if names is None else "imgs_1, imgs_2"
    return _some(pairs, root, f"OSCD holds <city>/cm/<city>-cm.tif and <city>/{images}")


def sztaki(root: Path) -> list[Pair]:
    """SZTAKI AirChange (Benedek & Szirányi 2009): aerial images, 952 × 640, 1.5 m.

    Args:
        root: Folder of `<place>/<n>/im1.bmp, im2.bmp, gt.bmp`.

    Returns:
        The pairs by place and number, named "Szada 1", split by place.

    Raises:
        DataError: `root` holds no such pair.
    """
    pairs = [
        Pair(
            name=f"{folder.parent.name} {folder.name}",
            t1=folder / "im1.bmp",
            t2=folder / "im2.bmp",
            reference=folder / "gt.bmp",
            split=folder.parent.name,
        )
        for folder in sorted(root.glob("*/*/"))
        if all((folder / name).is_file() for name in ("im1.bmp", "im2.bmp", "gt.bmp"))
    ]
    return _some(pairs, root, "SZTAKI AirChange holds <place>/<n>/im1.bmp, im2.bmp, gt.bmp")


def quickbird(root: Path) -> list[Pair]:
    """The QuickBird pair of Wuhan (Zhang & Shi 2020): 2009 and 2014, 1154 × 740, 2.4 m.

    Its reference is inverted: black is change, white is none.

    Args:
        root: Folder of `t1.bmp, t2.bmp, gt.bmp`, or of the same in another format.

    Raises:
        DataError: `root` holds no such files.
    """
    files = _by_stem(root)
    names = ("t1", "t2", "gt")
    pairs = []
    if all(name in files and files[name].is_file() for name in names):
        t1, t2, reference = (files[name] for name in names)
        pairs = [Pair(name="quickbird", t1=t1, t2=t2, reference=reference, inverted=True)]
    return _some(pairs, root, "QuickBird holds t1.bmp, t2.bmp and gt.bmp (black = change)")


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
    "quickbird": quickbird,
    "plain": plain,
}
