"""The demo: a synthetic pair with known changes, taken through the whole pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from affine import Affine
from jaxtyping import Shaped

from metriccd.accuracy import Evaluation, evaluated
from metriccd.demo.synthetic import Scene, land_scene
from metriccd.detection import detect
from metriccd.output import output_folder
from metriccd.raster import CogLayer, Grid, cog_writer, crs_of
from metriccd.stages import Progress, Stages

# UTM zone 32 north; the scene lies nowhere in particular.
CRS_CODE = "EPSG:32632"
ORIGIN = (640_000.0, 5_320_000.0)


def make_demo(
    out: Path,
    *,
    size: int = 512,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Writes before.tif, after.tif, reference.tif and what `detect` finds, evaluated.

    Args:
        out: Folder, which appears whole or not at all.
        size: Rows and columns of the scene.
        seed: Of the scene.
        overwrite: Replace an earlier demo there.
        progress: Called with (stage, done, total) as work goes on.

    Returns:
        The result's figures against the known changes.
    """
    with output_folder(out, overwrite=overwrite) as folder:
        with Stages(progress).stage("scene"):
            before, after, reference = make_pair(folder, size=size, seed=seed)
        change = detect(before, after, progress=progress)
        change.write(folder, name=out.resolve().name)
        found, files = evaluated(folder, [str(reference)], name=out.resolve().name)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        for record in ("run.json", "evaluation.json"):
            _rename(folder / record, folder, out.resolve())
        return found


def make_pair(folder: Path, *, size: int = 512, seed: int = 0) -> tuple[Path, Path, Path]:
    """Writes before.tif, after.tif and reference.tif: four bands at 10 m, and what changed.

    Args:
        folder: Where to; made if it is not there.
        size: Rows and columns of the scene.
        seed: Of the scene.

    Returns:
        The three files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return _write_scene(land_scene(size, size, seed=seed), folder)


def _rename(record: Path, before: Path, after: Path) -> None:
    """Makes a record name files where they are once the folder has its name."""
    old, new = (json.dumps(str(path))[1:-1] for path in (before, after))
    record.write_text(record.read_text().replace(old, new))


def _write_scene(scene: Scene, folder: Path) -> tuple[Path, Path, Path]:
    height, width = scene.reference.shape
    side = scene.resolution
    grid = Grid(
        height=height,
        width=width,
        transform=Affine(side, 0, ORIGIN[0], 0, -side, ORIGIN[1]),
        crs=crs_of(CRS_CODE),
    )
    image = CogLayer(dtype="uint16", nodata=0, bands=scene.bands, overviews="average")
    classes = CogLayer(dtype="uint8", nodata=None, bands=("reference",), overviews="mode")
    _write(folder / "before.tif", scene.t1, grid, image)
    _write(folder / "after.tif", scene.t2, grid, image)
    _write(folder / "reference.tif", scene.reference[np.newaxis].astype(np.uint8), grid, classes)
    return folder / "before.tif", folder / "after.tif", folder / "reference.tif"


def _write(
    path: Path, pixels: Shaped[np.ndarray, "band row col"], grid: Grid, layer: CogLayer
) -> None:
    with cog_writer(path, grid, layer) as write:
        for window in grid.windows(grid.height):
            write(window, pixels[:, *window.slices])
