"""Names and files: what belongs to an input, and what belongs to nobody else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from metriccd.errors import DataError
from metriccd.raster import open_raster, redacted
from metriccd.raster.paths import files_of
from raster_files import image, write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:pass@host/a.tif?sig=abc&se=2", "https://host/a.tif"),
        ("/vsicurl/https://host/a.tif?token=abc", "/vsicurl/https://host/a.tif"),
        ("PG:host=h password=abc dbname=d", "PG:host=h password=... dbname=d"),
        ("a folder/what?.tif", "a folder/what?.tif"),
    ],
)
def test_secrets_are_left_out(text: str, expected: str) -> None:
    assert redacted(text) == expected


def test_a_url_that_cannot_be_opened_is_named_without_its_secrets() -> None:
    with pytest.raises(DataError) as caught:
        open_raster("https://user:pass@localhost:1/a.tif?sig=abc")
    assert "abc" not in str(caught.value)
    assert "pass" not in str(caught.value)


def test_masks_archives_and_sources_belong_to_an_input(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", image(0))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as target:
        target.write_mask(np.eye(40, 50, dtype=np.uint8) * 255)
    beside = tmp_path / "a.tif.msk"
    assert set(open_raster(path).files) == {path, beside}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.write(path, "a.tif")
    for name in (f"zip://{tmp_path}/a.zip!a.tif", f"/vsizip/{tmp_path}/a.zip/a.tif"):
        assert open_raster(name).files == (tmp_path / "a.zip",)
    rasterio.shutil.copy(path, tmp_path / "b.vrt", driver="VRT")
    rasterio.shutil.copy(tmp_path / "b.vrt", tmp_path / "c.vrt", driver="VRT")
    assert {path, tmp_path / "c.vrt"} <= set(open_raster(tmp_path / "c.vrt").files)


def vrt(source: object, *, beside: bool = False) -> str:
    return (
        '<VRTDataset rasterXSize="50" rasterYSize="40"><VRTRasterBand dataType="UInt16" band="1">'
        f'<SimpleSource><SourceFilename relativeToVRT="{beside:d}">{source}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )


def test_the_file_behind_a_name_is_found_by_any_spelling(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", image(0))
    (tmp_path / "sub").mkdir()
    sub = tmp_path / "sub"
    (sub / "directory.vrt").write_text(vrt(f"GTIFF_DIR:1:{path}"))
    (sub / "beside.vrt").write_text(vrt("../a.tif", beside=True))
    (sub / "chain.xml").write_text(vrt("beside.vrt", beside=True))
    (sub / "query.vrt").write_text(vrt(f"vrt://{path}?bands=1"))
    names = [
        *(str(path), f"file://{path}", f"vrt://{path}?bands=1", f"GTIFF_DIR:1:{path}"),
        *(f'NETCDF:"{path}":band', f"/vsisubfile/0_9999,{path}", vrt(path)),
        *(f"/vsicached?chunk_size=16k&file={path}", *map(str, sorted(sub.iterdir()))),
    ]
    for name in names:
        assert path in {file.resolve() for file in files_of(name)}, name
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.write(path, "in/a.tif")
    archive = f"{tmp_path}/a.zip"
    for name in (
        *(f"/vsizip/{archive}/in/a.tif", f"/vsizip/{{{archive}}}/in/a.tif"),
        *(f"zip+file://{archive}!in/a.tif", f"vrt:///vsizip/{archive}/in/a.tif?bands=1"),
    ):
        assert files_of(name) == (Path(archive),), name
    for name in ("", "https://localhost:1/a.tif", "<VRTDataset", ":", "a" * 5000):
        assert files_of(name) == (), name


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(DataError, match=r"names must be UTF-8: got caf\\udce9\.tif"):
        open_raster("caf\udce9.tif")
