"""Looking at an input before GDAL opens it: at its files, and at all that these name in turn."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from metriccd.errors import DataError
from metriccd.trust.files import kind_of, require_file, strangers_in
from metriccd.trust.names import (
    MADE_UP,
    VRT_OF,
    files_behind,
    is_remote,
    require_name,
    require_within,
)
from metriccd.trust.policy import trusted
from metriccd.trust.vrt import MAX_SOURCES, Source, is_vrt, named_beside, sources_of, too_many

# What GDAL opens with an image, by its name, whatever is in it.
BESIDE = (".ovr", ".OVR", ".msk", ".MSK")
# VRTs within VRTs.
DEEP = 16
# Letters of a name that those of the files beside it begin with too: LC08_L1TP_…_B4, …_MTL.
COMMON = 8


def admit(name: str) -> bool:
    """What the user typed: any file, any address; what these name in turn is looked at.

    Args:
        name: As GDAL spells it.

    Returns:
        Whether it may be a VRT: what it names is known, or allowed unseen.

    Raises:
        DataError: It may never end, is no file, or names what may not be opened.
    """
    require_name(name)
    whole, made = VRT_OF.subn("", name)
    unseen = is_remote(name) or MADE_UP.match(whole) is not None
    named = made or whole.partition("?")[0].lower().endswith(".vrt")
    if unseen and named and not trusted().allow_remote:
        raise DataError(
            "a VRT must be a file in a folder, where what it names can be looked at first: "
            f"{name} is not; --allow-remote takes it as it is"
        )
    if is_remote(name):
        return trusted().allow_remote
    look, found = _Look(name=name), files_behind(name, Path())
    for path in found:
        look.at(path)
    return bool(made) or any(map(is_vrt, found)) or (unseen and trusted().allow_remote)


def admit_named(name: str, by: str, folder: Path | None) -> bool:
    """What a file names: without leave only files within the folder of that file.

    Args:
        name: As GDAL spells it.
        by: The file that names it.
        folder: Where that lies; None on another machine.

    Returns:
        As `admit`.

    Raises:
        DataError: It leads elsewhere, may never end, or names such things in turn.
    """
    require_within(name, by, folder, [Path()])
    return admit(name)


def admit_parts(name: str, parts: list[str]) -> None:
    """What GDAL found that an open file consists of, before its pixels are read.

    Raises:
        DataError: A part lies outside the folder of the file.
    """
    homes = [path.parent for path in files_behind(name, Path())]
    for part in parts if homes and not trusted().allow_remote else ():
        # What lies beside the image by its own name may be a link; whoever made it chose so.
        if not Path(os.path.normpath(part)).is_relative_to(os.path.normpath(homes[0])):
            require_within(part, name, homes[0], [Path()])


@dataclass(kw_only=True)
class _Look:
    """A look through the files of one input.

    Attributes:
        name: What the user calls it.
        known: Files that were looked at, and sources that each counts for.
        within: VRTs that name each other, from the outermost on.
        folders: Folders that were seen, without links.
        strangers: Pipes and devices in the folders that were seen.
    """

    name: str
    known: dict[str, int] = field(default_factory=dict)
    within: list[str] = field(default_factory=list)
    folders: dict[Path, str] = field(default_factory=dict)
    strangers: dict[Path, list[str]] = field(default_factory=dict)

    def real(self, path: Path) -> str:
        """A path without links; of many files in one folder at little cost."""
        if path.name in {"", ".."} or path.is_symlink():
            return os.path.realpath(path)
        if path.parent not in self.folders:
            self.folders[path.parent] = os.path.realpath(path.parent)
        return os.path.join(self.folders[path.parent], path.name)  # noqa: PTH118

    def at(self, path: Path) -> int:
        """Looks at a file and at all that it names; returns how many sources it counts for."""
        real = self.real(path)
        if real in self.within:
            raise DataError(f"a VRT must not name itself: {self.name} does, by way of {path}")
        if real not in self.known:
            require_file(path, None if str(path) == self.name else f"{path} of {self.name}")
            self._beside(path)
            count = 1
            if path.is_file():
                named = [*(sources_of(path) if is_vrt(path) else ()), *named_beside(path)]
                count = self._sources(path, real, named)
                self._copies(path)
            self.known[real] = count
        return self.known[real]

    def _copies(self, path: Path) -> None:
        """Looks at smaller copies and masks beside an image, which GDAL opens as any raster."""
        for suffix in BESIDE:
            copy = path.with_name(path.name + suffix)
            if copy.is_file():
                self.at(copy)

    def _sources(self, path: Path, real: str, named: list[Source]) -> int:
        home, count, counts = Path(real).parent, 0, dict[Source, int]()
        self.within.append(real)
        if len(self.within) > DEEP:
            raise DataError(f"VRTs must name each other at most {DEEP} deep: {self.name} is deeper")
        for source in named:
            bases = [home] if source.relative else [home, Path()]
            if source not in counts:
                found = require_within(source.name, str(path), home, bases, self.real)
                counts[source] = sum(map(self.at, found)) or 1
            count += counts[source]
            if count > MAX_SOURCES:
                raise too_many(Path(self.name))
        self.within.pop()
        return max(count, 1)

    def _beside(self, path: Path) -> None:
        """Refuses a pipe beside a file that GDAL would open with it: a.tif.aux.xml, a.prj."""
        whole = path.is_dir()
        folder, start = (path, "") if whole else (path.parent, path.stem[:COMMON].lower())
        if folder not in self.strangers:
            self.strangers[folder] = strangers_in(folder, deep=whole)
        for name in self.strangers[folder]:
            rest = name.lower().removeprefix(start)
            if whole or (rest != name.lower() and (len(start) == COMMON or not rest[:1].isalnum())):
                raise DataError(
                    f"files beside an image must be files: {folder / name} is "
                    f"{kind_of(folder / name)}, beside {self.name}; move it elsewhere"
                )
