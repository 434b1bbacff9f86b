"""Inputs that never end or lead elsewhere are refused in one line, before GDAL opens anything."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import rasterio

from metriccd.accuracy.points import read_points
from metriccd.errors import DataError
from metriccd.pair import read_pair
from metriccd.raster import open_item, open_raster, open_shapes
from metriccd.trust import Trust, admit
from raster_files import image, write

PLACE = (
    "<SRS>EPSG:32632</SRS><GeoTransform>600000, 10, 0, 4800000, 0, -10</GeoTransform>"
    "<Metadata><MDI key='author'>http://example.com/../etc</MDI></Metadata>"
)


def source(name: object, *, relative: int = 0, more: str = "") -> str:
    return (
        f'<SimpleSource><SourceFilename relativeToVRT="{relative}">{name}{more}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource>"
    )


def vrt(path: Path, body: str, *, kind: str = "", before: str = "") -> Path:
    path.write_text(
        f'{before}<VRTDataset rasterXSize="50" rasterYSize="40"{kind}>{PLACE}'
        f'<VRTRasterBand dataType="UInt16" band="1">{body}</VRTRasterBand></VRTDataset>'
    )
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, where we are, with an image, a pipe, and a folder of a VRT with an image."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.tif", image(0))
    (tmp_path / "home").mkdir()
    write(tmp_path / "home" / "in.tif", image(1))
    os.mkfifo(tmp_path / "pipe.tif")
    return tmp_path


ENDLESS = [
    *("pipe.tif", "/dev/zero", "/dev/stdin", "/vsistdin/", "/vsistdin?buffer_limit=9"),
    *("file://pipe.tif", "/vsigzip/pipe.tif", "/vsizip/{pipe.tif}/a.tif", "vrt://pipe.tif?bands=1"),
    *("GTIFF_DIR:1:pipe.tif", 'NETCDF:"pipe.tif":v', "/vsisubfile/0_9,pipe.tif", "/proc/kmsg"),
]
SERVICES = [
    *("PG:dbname=x", "WMS:http://127.0.0.1:9/", "<GDAL_WMS></GDAL_WMS>", "<VRTDataset/>"),
    *("vrt://<VRTDataset/>", "VRT://vrt:// <VRTDataset/>", "vrt://WMS:http://127.0.0.1:9/"),
    *("MEM:::DATAPOINTER=1,PIXELS=1,LINES=1", "/vsisparse/a.xml", "STACIT:a.json"),
]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", ENDLESS + SERVICES)
def test_what_is_no_file_is_refused_as_every_input(name: str) -> None:
    readers = {
        "t1": lambda: read_pair(name, "a.tif"),
        "t2": lambda: read_pair("a.tif", name),
        "mask": lambda: read_pair("a.tif", "a.tif", masks=name),
        "classes": lambda: read_pair("a.tif", "a.tif", masks=f"{name}:VALUES=1"),
        "aoi": lambda: read_pair("a.tif", "a.tif", aoi=name),
        "item": lambda: read_pair(name, name, assets="red"),
        "points": lambda: read_points(Path(name), open_raster("a.tif").grid),
    }
    for kind, read in readers.items():
        with pytest.raises(DataError) as refused:
            read()
        message = str(refused.value)
        assert "\n" not in message, kind
        assert len(message) < 600, kind


def test_a_pipe_among_the_files_of_an_image_is_refused(place: Path) -> None:
    home = place / "home"
    for name in ("in.tif.aux.xml", "in.prj", "IN_RPC.TXT"):
        os.mkfifo(home / name)
        with pytest.raises(DataError, match="files beside an image must be files"):
            open_raster("home/in.tif")
        (home / name).unlink()
    os.mkfifo(home / "inside.txt")
    assert open_raster("home/in.tif").bands
    write(home / "x_B02.tif", image(0, bands=1))
    os.mkfifo(home / "x_B03.tif")
    with pytest.raises(DataError, match=r"x_B03\.tif is a named pipe"):
        open_raster("home")
    (place / "a.zarr").mkdir()
    os.mkfifo(place / "a.zarr" / ".zarray")
    with pytest.raises(DataError, match=r"\.zarray is a named pipe"):
        open_raster("a.zarr")


OUTSIDE = {
    "absolute": lambda root: source(root / "a.tif"),
    "above": lambda _: source("../a.tif", relative=1),
    "where we are": lambda _: source("a.tif"),
    "http": lambda _: source("http://127.0.0.1:9/a.tif"),
    "curl, called relative": lambda _: source("/vsicurl/http://127.0.0.1:9/a.tif", relative=1),
    "part of a file": lambda root: source(f'NETCDF:"{root}/a.tif":v'),
    "a file that is not there": lambda root: source(root / "gone.tif"),
    "attribute": lambda root: f'<SimpleSource SourceFilename="{root}/a.tif"/>',
    "other case": lambda root: (
        f"<SimpleSource><SOURCEFILENAME>{root}/a.tif</SOURCEFILENAME></SimpleSource>"
    ),
    "parted by a comment": lambda root: source(root / "a.tif", more="<!-- -->/home/in.tif"),
    "link": lambda _: source("link.tif", relative=1),
    "raw": lambda _: "<SourceFilename>/etc/passwd</SourceFilename>",
    "sharpened": lambda root: f"<SpectralBand>{source(root / 'a.tif')}</SpectralBand>",
    "warped": lambda root: (
        f"<GDALWarpOptions><SourceDataset>{root}/a.tif</SourceDataset></GDALWarpOptions>"
    ),
    "overviews": lambda root: f'<MDI key="OVERVIEW_FILE">{root}/a.tif</MDI>',
}


@pytest.mark.parametrize("way", OUTSIDE)
def test_a_vrt_leads_out_of_its_folder_only_with_leave(place: Path, way: str) -> None:
    (place / "home" / "link.tif").symlink_to(place / "a.tif")
    path = vrt(place / "home" / "b.vrt", OUTSIDE[way](place))
    with pytest.raises(DataError, match=r"only within its own folder.*--allow-remote"):
        admit(str(path))
    with Trust(allow_remote=True).applied():
        assert admit(str(path))


@pytest.mark.parametrize("name", ["in.tif", "./in.tif", "../home/in.tif"])
def test_a_vrt_of_files_beside_it_is_read(place: Path, name: str) -> None:
    path = vrt(place / "home" / "b.vrt", source(name, relative=1))
    raster = open_raster("home/b.vrt")
    with raster.reader(raster.grid) as read:
        assert (read(next(raster.grid.windows(64)))[0][0] == image(1)[0]).all()
    vrt(path, source(place / "home" / "in.tif"))
    assert open_raster(path).bands


def test_an_absolute_source_elsewhere_is_read_with_leave(place: Path) -> None:
    path = vrt(place / "home" / "b.vrt", source(place / "a.tif"))
    with Trust(allow_remote=True).applied():
        raster = open_raster(path)
    with raster.reader(raster.grid) as read:
        assert (read(next(raster.grid.windows(64)))[0][0] == image(0)[0]).all()


def test_programs_entities_and_pipes_in_a_vrt_are_refused_whatever_is_allowed(place: Path) -> None:
    home = place / "home"
    python = "<PixelFunctionLanguage>Python</PixelFunctionLanguage>" + source("in.tif", relative=1)
    cases = {
        "must hold no program": vrt(home / "1.vrt", python),
        "no document type": vrt(home / "2.vrt", "", before="<!DOCTYPE x [<!ENTITY a 'b'>]>"),
        "must be XML": vrt(home / "3.vrt", "<open>"),
        "is a named pipe": vrt(home / "4.vrt", source("../pipe.tif", relative=1)),
        "is a stream": vrt(home / "5.vrt", source("/vsistdin/")),
        "is a service": vrt(home / "6.vrt", source("&lt;GDAL_WMS/&gt;")),
    }
    with Trust(allow_remote=True).applied():
        for words, path in cases.items():
            with pytest.raises(DataError, match=words):
                open_raster(path)


def test_vrts_that_multiply_or_name_themselves_are_refused(place: Path) -> None:
    home = place / "home"
    for own, other in (("x", "x"), ("y", "z"), ("z", "y")):
        vrt(home / f"{own}.vrt", source(f"{other}.vrt", relative=1))
    for name in "xyz":
        with pytest.raises(DataError, match="must not name itself"):
            open_raster(home / f"{name}.vrt")
    last = "in.tif"
    for level in range(26):
        vrt(home / f"{level}.vrt", 2 * source(last, relative=1))
        last = f"{level}.vrt"
    with pytest.raises(DataError, match="at most 16 deep"):
        open_raster(home / last)
    vrt(home / "wide.vrt", 16 * source("12.vrt", relative=1))
    with pytest.raises(DataError, match="at most 100,000 sources"):
        open_raster(home / "wide.vrt")
    vrt(home / "long.vrt", 100_001 * "<SourceFilename>a</SourceFilename>")
    with pytest.raises(DataError, match="at most 100,000 sources"):
        open_raster(home / "long.vrt")


def test_a_vrt_that_nobody_can_look_into_takes_leave(place: Path) -> None:
    path = vrt(place / "home" / "b.vrt", source(place / "a.tif"))
    with zipfile.ZipFile(place / "b.zip", "w") as archive:
        archive.write(path, "b.vrt")
        archive.write(path, "b.tif")
    with pytest.raises(DataError, match="--allow-remote takes it as it is"):
        open_raster(f"zip://{place}/b.zip!b.vrt")
    # By another name it is no raster: its driver is not asked.
    with pytest.raises(DataError, match="must be a raster"):
        open_raster(f"zip://{place}/b.zip!b.tif")
    with pytest.raises(DataError, match="--allow-remote takes it as it is"):
        open_raster("http://127.0.0.1:9/b.vrt")
    with Trust(allow_remote=True).applied():
        assert open_raster(f"zip://{place}/b.zip!b.tif").bands


def test_a_header_beside_an_image_names_no_file_elsewhere(place: Path) -> None:
    header = place / "home" / "in.tif.aux.xml"
    text = '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{}</MDI></Metadata>'
    header.write_text(f"{text.format(place / 'a.tif')}</PAMDataset>")
    with pytest.raises(DataError, match="only within its own folder"):
        open_raster("home/in.tif")
    header.write_text(text.format(place / "a.tif"))
    with pytest.raises(DataError, match="a header must be XML"):
        open_raster("home/in.tif")
    header.write_text("<PAMDataset><broken")
    assert open_raster("home/in.tif").bands


def test_a_tag_of_an_image_names_no_file_elsewhere(place: Path) -> None:
    with rasterio.open("home/in.tif", "r+") as target:
        target.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(place / "a.tif"))
    with pytest.raises(DataError, match="only within its own folder"):
        open_raster("home/in.tif")


def test_an_items_assets_lie_in_its_folder(place: Path) -> None:
    text = (
        '{"type": "Feature", "stac_version": "1.0.0", "id": "a", "geometry": null, "links": [], '
        '"properties": {"datetime": "2020-01-01T00:00:00Z"}, "assets": {"red": {"href": "HREF"}}}'
    )
    item = place / "home" / "item.json"
    for href in ("../a.tif", f"{place}/a.tif", "http://127.0.0.1:9/a.tif", "/vsistdin/"):
        item.write_text(text.replace("HREF", href))
        with pytest.raises(DataError, match=r"--allow-remote|is a stream"):
            open_item(item, ["red"])
    item.write_text(text.replace("HREF", "./in.tif"))
    assert open_item(item, ["red"]).bands
    item.write_text(text.replace("HREF", "../a.tif"))
    with Trust(allow_remote=True).applied():
        assert open_item(item, ["red"]).bands


def test_polygons_are_read_from_files_only(place: Path) -> None:
    (place / "pipe.tif").rename("pipe.gpkg")
    with pytest.raises(DataError, match="is a named pipe"):
        open_shapes("pipe.gpkg")
    (place / "b.vrt").write_text(
        '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/etc/passwd</SrcDataSource>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    with pytest.raises(DataError, match="a vector file GDAL reads"):
        open_shapes("b.vrt")


@pytest.mark.parametrize("suffix", [".ovr", ".msk", ".ovr.msk"])
def test_what_lies_beside_an_image_is_no_way_to_another_machine(
    place: Path, suffix: str, bait: list[str]
) -> None:
    away = vrt(place / "away.vrt", source(f"/vsicurl/http://127.0.0.1:{bait[0]}/x.tif")).read_text()
    with zipfile.ZipFile("b.zip", "w") as archive:
        archive.write("a.tif")
        archive.writestr(f"a.tif{suffix}", away)
        if suffix == ".ovr.msk":
            write(place / "a.tif.ovr", image(0))
            archive.write("a.tif.ovr")
    (place / f"a.tif{suffix}").write_text(away)
    with pytest.raises(DataError, match="names"):
        open_raster("a.tif")
    with suppress(DataError):
        open_raster("/vsizip/b.zip/a.tif")
    assert bait[1:] == []


@pytest.fixture
def bait() -> Iterator[list[str]]:
    """A port of this machine at which nobody is to ask, and all that was asked."""
    asked: list[str] = []

    class Noting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815 — as http.server calls it

    with HTTPServer(("127.0.0.1", 0), Noting) as server:
        asked.append(str(server.server_port))
        Thread(target=server.serve_forever, daemon=True).start()
        yield asked
        server.shutdown()
