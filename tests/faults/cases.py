"""Cases: a damaged file among good ones and a command that reads it, known by kind and number.

`PYTHONPATH=src:tests python -m faults.cases KIND NUMBER FOLDER` makes the files of one again.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from faults.damage import Damaged, Rng, by_bytes, one_of, spliced
from faults.damage_pixels import of_png, of_tiff
from faults.damage_tables import of_gpkg, of_shp, of_weights
from faults.damage_text import of_csv, of_header, of_json, of_manifest, of_toml, of_xml
from faults.good import Good
from faults.good_pixels import crop, headed, pictures, tiff, tiffs, virtual
from faults.good_tables import items, manifests, tables, vectors, weights

SEED = 20
# Damages of each kind, and how many cases of it there are.
KINDS: dict[str, tuple[Callable[[bytes, Rng], Damaged], int]] = {
    "tiff": (of_tiff, 240),
    "png": (of_png, 100),
    "envi": (of_header, 110),
    "vrt": (of_xml, 160),
    "gpkg": (of_gpkg, 140),
    "shp": (of_shp, 60),
    "geojson": (of_json, 60),
    "stac": (of_json, 120),
    "weights": (of_weights, 120),
    "csv": (of_csv, 50),
    "toml": (of_toml, 60),
    "result": (of_json, 60),
    "manifest": (of_manifest, 60),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command and the files it reads.

    Attributes:
        name: Kind and number, by which it can be made again.
        files: Name → content, relative to where the command runs.
        arguments: The command line.
        damage: The file that is damaged, and how.
        pipes: Names in whose place is a pipe that nobody writes to.
        environment: What is set, or else not, while it runs.
    """

    name: str
    files: dict[str, bytes]
    arguments: tuple[str, ...]
    damage: str
    pipes: tuple[str, ...] = ("in/pipe",)
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Makes its files in a folder."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for name in self.pipes:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).unlink(missing_ok=True)
            os.mkfifo(folder / name)

    def __str__(self) -> str:
        return f"{self.name}: metriccd {shlex.join(self.arguments)}; {self.damage}"


def good_files(data: Path, folder: Path) -> list[Good]:
    """All of them.

    Args:
        data: Folder of real image pairs.
        folder: Where they are made; a good result may lie in its folder `result`.
    """
    t1, t2 = crop(data)
    plain = {"t1.tif": tiff(folder, t1), "t2.tif": tiff(folder, t2)}
    truth = tiff(folder, (t1[:1] > np.median(t1[0])).astype(np.uint8), compress="deflate")
    return [
        *tiffs(folder, t1, plain, truth),
        *pictures(folder, t1, t2),
        *headed(folder, t1, plain),
        *virtual(folder, t1, plain),
        *vectors(folder, plain),
        *items(plain),
        *weights(plain),
        *tables(folder, plain, truth),
        *manifests(folder, plain),
    ]


def case_of(kind: str, number: int, good: Iterable[Good], *, damaged: bool = True) -> Case:
    """The same case for the same numbers, whichever others are made.

    Args:
        kind: Key of `KINDS`.
        number: Of the case, from 0.
        good: Files to choose from.
        damaged: False leaves them as they are, for the first of the commands.
    """
    rng = np.random.default_rng([SEED, zlib.crc32(kind.encode()), number])
    alike = [each for each in good if each.kind == kind]
    chosen = alike[number % len(alike)]
    content = chosen.files[chosen.target]
    damage = KINDS[kind][0]
    if kind == "envi" and chosen.target.endswith(".img"):
        damage = by_bytes
    if kind == "result" and chosen.target.endswith(".tif"):
        damage = of_tiff
    if not damaged:
        changed, how = content, "left as it is"
    elif rng.random() < 0.08:
        other = one_of(rng, alike)
        changed, how = spliced(content, other.files[other.target], rng)
    else:
        changed, how = damage(content, rng)
    arguments = one_of(rng, chosen.commands) if damaged else chosen.commands[0]
    ending = Path(chosen.target).suffix
    named = {f"{{{date}}}": _named(date, chosen.files) for date in ("t1", "t2")}
    return Case(
        name=f"{kind} {number}",
        files=chosen.files | {chosen.target: changed},
        arguments=tuple(named.get(part, part) for part in arguments),
        damage=f"{chosen.target} ({ending[1:]}): {how[:300]}",
    )


def _named(date: str, files: Iterable[str]) -> str:
    """The image of a date: that which is read through others where there are several."""
    order = (".json", ".vrt", ".img", ".png", ".tif")
    found = [name for name in files if Path(name).stem == date and Path(name).parent.name == "in"]
    known = [name for end in order for name in found if name.endswith(end)]
    return known[0] if known else ""


if __name__ == "__main__":
    _kind, _number, _folder = sys.argv[1:]
    with tempfile.TemporaryDirectory() as _made:
        _data = Path(os.environ.get("METRICCD_DATA", "../shared/data"))
        _case = case_of(_kind, int(_number), good_files(_data, Path(_made)))
    _case.write(Path(_folder))
    sys.stdout.write(f"cd {_folder}; {str(_case).split(': ', 1)[1]}\n")
