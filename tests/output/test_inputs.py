"""Inputs: in OUT by no spelling, OUT in none of them, and no log in either."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from folders import contents, fill
from metriccd.errors import OutputError
from metriccd.output import output_folder, require_log
from raster_files import image, write

VRT = (
    '<VRTDataset rasterXSize="50" rasterYSize="40"><VRTRasterBand dataType="UInt16" band="1">'
    "<SimpleSource><SourceFilename>{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    "</VRTRasterBand></VRTDataset>"
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A result of ours with an image in it, and a folder elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    with output_folder(tmp_path / "out") as folder:
        fill(folder, "old")
        write(folder / "before.tif", image())
        with zipfile.ZipFile(folder / "before.zip", "w") as archive:
            archive.write(folder / "before.tif", "in.tif")
    return tmp_path / "out"


def linked(out: Path) -> Path:
    (out.parent / "elsewhere/link.tif").symlink_to(out / "before.tif")
    return out.parent / "elsewhere/link.tif"


def hard_linked(out: Path) -> Path:
    (out.parent / "elsewhere/same.tif").hardlink_to(out / "before.tif")
    return out.parent / "elsewhere/same.tif"


def in_linked_folder(out: Path) -> Path:
    (out.parent / "elsewhere/folder").symlink_to(out)
    return out.parent / "elsewhere/folder/before.tif"


def in_vrt(out: Path) -> Path:
    path = out.parent / "elsewhere/a.vrt"
    path.write_text(VRT.format(f"GTIFF_DIR:1:{out}/before.tif"))
    return path


def in_vrt_of_vrt(out: Path) -> Path:
    path = out.parent / "elsewhere/b.vrt"
    path.write_text(VRT.format(in_vrt(out)))
    return path


SPELLINGS: dict[str, Callable[[Path], str | Path]] = {
    "its path": lambda out: out / "before.tif",
    "a way around": lambda out: out / "../out/./before.tif",
    "OUT itself": lambda out: out,
    "a link": linked,
    "a hard link": hard_linked,
    "a linked folder": in_linked_folder,
    "file://": lambda out: f"file://{out}/before.tif",
    "vrt://": lambda out: f"vrt://{out}/before.tif?bands=1",
    "GTIFF_DIR": lambda out: f"GTIFF_DIR:1:{out}/before.tif",
    "zip://": lambda out: f"zip://{out}/before.zip!in.tif",
    "/vsizip/": lambda out: f"/vsizip/{out}/before.zip/in.tif",
    "a VRT elsewhere": in_vrt,
    "a VRT of a VRT": in_vrt_of_vrt,
    "the text of a VRT": lambda out: VRT.format(out / "before.tif"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_input_in_out_is_refused_by_any_spelling(out: Path, spelling: str) -> None:
    given = SPELLINGS[spelling](out)
    before = contents(out.parent)
    with (
        pytest.raises(OutputError, match=r"OUT must not (hold|lie in) the images: \S+ "),
        output_folder(out, overwrite=True, inputs=[given]),
    ):
        pytest.fail("work began")
    assert contents(out.parent) == before
    assert len(list(out.parent.iterdir())) == 2


def test_an_input_in_out_is_refused_by_a_name_from_the_working_folder(
    out: Path, monkeypatch
) -> None:
    monkeypatch.chdir(out)
    with (
        pytest.raises(OutputError, match="OUT must not hold the images"),
        output_folder(out, overwrite=True, inputs=["before.tif"]),
    ):
        pytest.fail("work began")


def test_out_in_a_folder_that_is_read_is_refused(tmp_path: Path) -> None:
    safe = tmp_path / "T1.SAFE"
    (safe / "GRANULE").mkdir(parents=True)
    (tmp_path / "link").symlink_to(safe)
    for place in (safe / "out", safe / "GRANULE/a/out", tmp_path / "link/out"):
        with (
            pytest.raises(OutputError, match="OUT must not lie in the images"),
            output_folder(place, inputs=[safe]),
        ):
            pytest.fail("work began")
    assert {path.name for path in tmp_path.rglob("*")} == {"T1.SAFE", "GRANULE", "link"}


def test_inputs_beside_out_are_fine(out: Path) -> None:
    other = write(out.parent / "elsewhere/other.tif", image())
    names = [other, f"file://{other}", "https://localhost:1/a.tif", "SCL", "x" * 5000, "none.tif"]
    with output_folder(out, overwrite=True, inputs=names) as folder:
        fill(folder)


def test_a_log_changes_neither_a_result_nor_an_input(out: Path, monkeypatch) -> None:
    source = write(out.parent / "elsewhere/other.tif", image())
    table = out.parent / "elsewhere/points.csv"
    table.write_text("x,y,label\n")
    (out.parent / "elsewhere/log.txt").hardlink_to(table)
    monkeypatch.chdir(out.parent)
    for log in (
        *(out / "log.txt", out / "run.json", out, Path("elsewhere/../out/new/log.txt")),
        *(source, Path("elsewhere/log.txt"), out.parent / ".out-unfinished/log.txt"),
    ):
        with pytest.raises(OutputError, match="--log-file must not"):
            require_log(log, out, [source, table])
    with pytest.raises(OutputError, match="must be text"):
        require_log(source, out, [])
    table.write_text("2020-01-01 12:00:00 reading\n")
    require_log(table, out, [source])
    require_log(out.parent / "new.txt", out, [source])
    require_log(Path(os.devnull), None)
