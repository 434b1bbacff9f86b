"""Methods that others print beside ours, on windows of every set, in one table.

    python benchmarks/peers.py ../shared/data -o OUT [--side 512] [--pairs 35] [--seed 0]

Of each set so many pairs are measured, evenly spread, whose window in the middle holds change: all
methods on all of every set (`--side 0 --pairs 0`) take hours. Windows and a file of sets are
written to OUT/windows, and the rest is `metriccd benchmark OUT/windows/sets.toml`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio
from ending import ended
from rasterio.windows import Window, transform

from metriccd.benchmark.datasets import Pair, find_pairs

SETS = {
    "Beijing": ("plain", "beijing"),
    "DSIFN": ("plain", "dsifn"),
    "EGY-BCD": ("plain", "egy"),
    "SZTAKI": ("sztaki", "sztaki"),
    "OSCD": ("oscd", "oscd"),
    "OMBRIA": ("plain", "ombria"),
    "LEVIR": ("plain", "levir"),
}
LANDSAT = {
    "nanjing": ("LT51200382000124BJC00_Nanjing", "LT51200382002193BJC00_Nanjing"),
    "taizhou": ("2000TM", "2003TM"),
}
METHODS = (
    *("default", "closed_form", "object_cva", "kpca_mnet", "dsfa", "deep_cva", "deep_cva_all"),
    *("imagenet", "feature_cosine", "difference_subspace", "cva", "irmad"),
)
UNKNOWN = 255


def windows_of(root: Path, out: Path, side: int, most: int) -> Path:
    """Writes the windows, in the layout of `plain`, and the file that names their sets."""
    tables = []
    for name, (dataset, folder) in SETS.items():
        pairs = find_pairs(dataset, root / folder)
        taken, step = 0, max(1, len(pairs) // most) if most else 1
        for _, pair in sorted(enumerate(pairs), key=lambda each: each[0] % step):
            if not most or taken < most:
                taken += write(out / folder, pair.name, pair, side, whatever=not most)
        tables.append(f'[[sets]]\nname = "{name}"\ndataset = "plain"\nroot = "{folder}"\n')
    for place, dates in LANDSAT.items():
        folder = root / "landsat" / place
        t1, t2 = (folder / date for date in dates)
        pair = Pair(name=place, t1=t1, t2=t2, reference=folder / "change.bmp")
        write(out / "landsat", place, pair, side, unchanged=folder / "unchanged.bmp")
    tables.append('[[sets]]\nname = "Landsat"\ndataset = "plain"\nroot = "landsat"\n')
    path = out / "sets.toml"
    path.write_text("\n".join(tables), encoding="utf-8")
    return path


def write(
    out: Path,
    name: str,
    pair: Pair,
    side: int,
    unchanged: Path | None = None,
    *,
    whatever: bool = True,
) -> bool:
    """The window of a pair and its reference: 0 and 1, and 255 where it says nothing.

    Unless `whatever` is asked for, a window without change is left out: False then.
    """
    with rasterio.open(pair.t1) as file:
        window, place = middle(file.height, file.width, side), None
        if file.crs is not None:
            place = {"crs": file.crs, "transform": transform(window, file.transform)}
    changed = read(pair.reference, window)[0]
    changed = changed > (1 if pair.unchanged_label == 1 else 127 if changed.max() > 1 else 0)
    if not (whatever or changed.any()):
        return False
    labels = changed.astype(np.uint8)
    if unchanged is not None:
        labels[~changed & (read(unchanged, window)[0] == 0)] = UNKNOWN
    for date, pixels in (
        ("t1", read(pair.t1, window)),
        ("t2", read(pair.t2, window)),
        ("reference", labels[None]),
    ):
        path = out / date / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        count, height, width = pixels.shape
        shape = {"count": count, "height": height, "width": width, "dtype": pixels.dtype}
        with rasterio.open(path, "w", driver="GTiff", **shape, **(place or {})) as file:
            file.write(pixels)
    return True


def middle(height: int, width: int, side: int) -> Window:
    """The window of `side` pixels in the middle; all of it where that is less, or for 0."""
    rows, cols = (min(side or length, length) for length in (height, width))
    return Window((width - cols) // 2, (height - rows) // 2, cols, rows)


def read(path: Path, window: Window) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(window=window)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=35)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    sets = windows_of(told.root, told.out / "windows", told.side, told.pairs)
    command = ["benchmark", str(sets), "--methods", told.methods, "--seed", str(told.seed)]
    command = [sys.executable, "-m", "metriccd", *command, "-o", str(told.out / "found")]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    ended(main)
