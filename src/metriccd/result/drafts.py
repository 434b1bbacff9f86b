"""Rasters of a result that are written ahead of the rest, each by whatever process."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from metriccd.decision import BLOCK
from metriccd.raster import Grid, Window, cog_writer
from metriccd.result.disk import UNWRITABLE, require_room, unwritable
from metriccd.result.rasters import Part, RasterFile
from metriccd.stages import Stages


@dataclass(frozen=True, kw_only=True)
class Drafts:
    """Rasters of a result, which are done like the tiles of a `Pass`, one by one, in any order.

    Attributes:
        files: By name.
        part: What is known of a window.
        grid: Where the pixels lie.
        folder: Where the rasters lie until the result is written; made where it is missing.
    """

    files: Mapping[str, RasterFile]
    part: Callable[[Window], Part]
    grid: Grid
    folder: Path
    name: ClassVar[str] = "drafts"

    @property
    def remaining(self) -> list[int]:
        """Numbers of the rasters that are to be written, the largest first."""
        left = [
            (file.layer.pixel_bytes, number)
            for number, (name, file) in enumerate(self.files.items())
            if not (self.folder / name).is_file()
        ]
        return [number for _, number in sorted(left, key=lambda each: -each[0])]

    def run(self, stages: Stages, numbers: Collection[int]) -> None:
        """Writes what remains; each file appears whole or not at all.

        Args:
            stages: Records time and reports progress.
            numbers: Of the rasters that are this process's share.

        Raises:
            OutputError: One cannot be written.
        """
        names, left = list(self.files), set(self.remaining)
        with stages.stage(self.name, len(numbers)) as advance:
            for number in sorted(numbers):
                if number in left:
                    self._write(names[number])
                advance(1)

    def move(self, folder: Path) -> list[str]:
        """Moves those that are there to another folder of the disk; returns their names."""
        moved = [name for name in self.files if (self.folder / name).is_file()]
        for name in moved:
            (self.folder / name).replace(folder / name)
        return moved

    def _write(self, name: str) -> None:
        file = self.files[name]
        try:
            self.folder.mkdir(exist_ok=True)
            require_room(self.folder, self.grid, [file.layer])
            with TemporaryDirectory(dir=self.folder, prefix=".draft-") as made:
                with cog_writer(Path(made) / name, self.grid, file.layer) as write:
                    for window in self.grid.windows(BLOCK):
                        write(window, file.pixels(self.part(window)))
                with (Path(made) / name).open("rb") as stream:
                    # A name that a loss of power left without its content would be taken for it.
                    os.fsync(stream.fileno())
                (Path(made) / name).replace(self.folder / name)
        except UNWRITABLE as error:
            raise unwritable(error) from error
