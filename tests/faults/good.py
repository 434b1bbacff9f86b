"""Small good files of every kind that a command reads, made of a crop of real images."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pystac
import rasterio
from affine import Affine
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import Resampling
from safetensors.numpy import save
from shapely.geometry import box

SIDE, FROM = 64, 300
UTM, PLACE = CRS.from_epsg(32632), Affine(10, 0, 600_000, 0, -10, 4_800_000)
# The quickest commands that read all pixels: methods are another matter.
CHECK = ("check", "{t1}", "{t2}", "-q")
DETECT = ("detect", "{t1}", "{t2}", "-o", "out", "-q", "--method", "cva", "--threshold", "otsu")


@dataclass(frozen=True, kw_only=True)
class Good:
    """What a command reads, all of it good.

    Attributes:
        kind: The way in which it may be damaged.
        files: Name → content; names are relative to where the command runs.
        target: The file to damage.
        commands: Command lines, the quickest first.
    """

    kind: str
    files: dict[str, bytes]
    target: str
    commands: tuple[tuple[str, ...], ...]


def crop(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Red, green and blue (band, row, col) of one place at two dates."""
    city = data / "oscd" / "pisa"
    window = rasterio.windows.Window(FROM, FROM, SIDE, SIDE)
    dates = []
    for folder in ("imgs_1", "imgs_2"):
        bands = []
        for name in ("B04", "B03", "B02"):
            (file,) = (city / folder).glob(f"*_{name}.tif")
            with rasterio.open(file) as dataset:
                bands.append(dataset.read(1, window=window))
        dates.append(np.stack(bands))
    return dates[0], dates[1]


def good_files(data: Path, folder: Path) -> list[Good]:
    """All of them.

    Args:
        data: Folder of real image pairs.
        folder: Where they are made; a good result may lie in its folder `result`.
    """
    t1, t2 = crop(data)
    plain = {"t1.tif": _tiff(folder, t1), "t2.tif": _tiff(folder, t2)}
    truth = _tiff(folder, (t1[:1] > np.median(t1[0])).astype(np.uint8), compress="deflate")
    return [
        *_tiffs(folder, t1, plain, truth),
        *_pictures(folder, t1, t2),
        *_headed(folder, t1, plain),
        *_virtual(folder, t1, plain),
        *_vectors(folder, plain),
        *_items(plain),
        *_weights(plain),
        *_tables(folder, plain, truth),
    ]


def _tiff(
    folder: Path, array: np.ndarray, *, name: str = "plain.tif", crs: CRS | None = UTM, **how: Any
) -> bytes:
    path = folder / name
    path.unlink(missing_ok=True)
    bands, rows, cols = array.shape
    placed = {} if "gcps" in how else {"transform": PLACE}
    profile = {"driver": "GTiff", "count": bands, "height": rows, "width": cols}
    with rasterio.open(path, "w", **profile, dtype=array.dtype, crs=crs, **placed, **how) as file:
        file.write(array)
    return path.read_bytes()


def _tiffs(folder: Path, t1: np.ndarray, plain: dict[str, bytes], truth: bytes) -> Iterator[Good]:
    small = (t1 // 16).clip(1, 255).astype(np.uint8)
    tiled = {"tiled": True, "blockxsize": 32, "blockysize": 32}
    corners = [
        GroundControlPoint(row=row, col=col, x=600_000 + 10 * col, y=4_800_000 - 10 * row)
        for row in (0, SIDE)
        for col in (0, SIDE)
    ]
    files = {
        "strips": plain["t1.tif"],
        "tiles": _tiff(folder, t1, **tiled),
        "deflate": _tiff(folder, t1, compress="deflate", predictor=2, **tiled),
        "lzw": _tiff(folder, t1, compress="lzw", interleave="band"),
        "jpeg": _tiff(folder, small, compress="jpeg", photometric="ycbcr", **tiled),
        "zstd": _tiff(folder, t1, compress="zstd", bigtiff="yes", **tiled),
        "float": _tiff(folder, t1.astype(np.float32) / 10_000, nodata=float("nan")),
        "gcps": _tiff(folder, t1, gcps=corners),
        "bare": _tiff(folder, t1, crs=None),
    }
    path = folder / "more.tif"
    _tiff(folder, t1, name="more.tif", **tiled)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.pad(np.full((SIDE - 8, SIDE - 8), 255, np.uint8), 4))
        file.build_overviews([2, 4], Resampling.average)
        file.scales, file.offsets = (1e-4,) * 3, (0.1,) * 3
        file.descriptions = ("red", "green", "blue")
        file.update_tags(1, wavelength="665")
    files["masked"] = path.read_bytes()
    four = np.concatenate([small, np.full((1, SIDE, SIDE), 255, np.uint8)])
    files["alpha"] = _tiff(folder, four, photometric="rgb", alpha="unspecified")
    for number, content in enumerate(files.values()):
        first, second = ("{t1}", "{t2}") if number % 3 else ("{t2}", "{t1}")
        swap = tuple({"{t1}": first, "{t2}": second}.get(part, part) for part in CHECK)
        yield Good(
            kind="tiff",
            files={"in/t1.tif": content, "in/t2.tif": plain["t2.tif"]},
            target="in/t1.tif",
            commands=(CHECK, swap, DETECT),
        )
    pair = {f"in/{name}": content for name, content in plain.items()}
    yield Good(
        kind="tiff",
        files=pair | {"in/mask.tif": truth},
        target="in/mask.tif",
        commands=((*CHECK, "--mask", "in/mask.tif"), (*DETECT, "--mask", "in/mask.tif")),
    )


def _pictures(folder: Path, t1: np.ndarray, t2: np.ndarray) -> Iterator[Good]:
    def png(array: np.ndarray, mode: str | None = None, **how: Any) -> bytes:
        stream = BytesIO()
        image = Image.fromarray(array)
        (image if mode is None else image.convert(mode)).save(stream, "PNG", **how)
        return stream.getvalue()

    first, second = ((date // 16).clip(1, 255).astype(np.uint8) for date in (t1, t2))
    colors = [np.ascontiguousarray(np.moveaxis(date, 0, -1)) for date in (first, second)]
    with rasterio.open(
        folder / "16.png", "w", driver="PNG", count=3, height=SIDE, width=SIDE, dtype="uint16"
    ) as file:
        file.write(t1)
    paths = [
        (png(colors[0]), png(colors[1])),
        (png(colors[0], "RGBA"), png(colors[1])),
        (png(colors[0], "L"), png(colors[1], "L")),
        (png(colors[0], "P"), png(colors[1])),
        ((folder / "16.png").read_bytes(), png(colors[1])),
    ]
    for one, other in paths:
        yield Good(
            kind="png",
            files={"in/t1.png": one, "in/t2.png": other},
            target="in/t1.png",
            commands=(CHECK, CHECK, DETECT),
        )


def _headed(folder: Path, t1: np.ndarray, plain: dict[str, bytes]) -> Iterator[Good]:
    for interleave in ("bsq", "bip"):
        path = folder / f"{interleave}.img"
        profile = {"driver": "ENVI", "count": 3, "height": SIDE, "width": SIDE, "dtype": "uint16"}
        with rasterio.open(
            path, "w", **profile, crs=UTM, transform=PLACE, interleave=interleave
        ) as file:
            file.write(t1)
            file.descriptions = ("red", "green", "blue")
        files = {
            "in/t1.img": path.read_bytes(),
            # GDAL notes where it was made.
            "in/t1.hdr": path.with_suffix(".hdr").read_bytes().replace(str(path).encode(), b"t1"),
            "in/t2.tif": plain["t2.tif"],
        }
        for target in ("in/t1.hdr", "in/t1.hdr", "in/t1.img"):
            yield Good(kind="envi", files=files, target=target, commands=(CHECK, CHECK, DETECT))


SOURCE = (
    '<{kind}><SourceFilename relativeToVRT="1">{name}</SourceFilename>'
    "<SourceBand>{band}</SourceBand>"
    '<SrcRect xOff="0" yOff="0" xSize="64" ySize="64"/>'
    '<DstRect xOff="0" yOff="0" xSize="64" ySize="64"/>{more}</{kind}>'
)


def _vrt(name: str, *, kind: str = "SimpleSource", more: str = "", mask: bool = False) -> bytes:
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{band}"><Description>{title}</Description>'
        f"<NoDataValue>0</NoDataValue><Scale>0.0001</Scale><ColorInterp>{title}</ColorInterp>"
        f"{SOURCE.format(kind=kind, name=name, band=band, more=more)}</VRTRasterBand>"
        for band, title in enumerate(("Red", "Green", "Blue"), start=1)
    )
    if mask:
        source = SOURCE.format(kind="SimpleSource", name="mask.tif", band=1, more="")
        bands += f'<MaskBand><VRTRasterBand dataType="Byte">{source}</VRTRasterBand></MaskBand>'
    place = ", ".join(map(str, PLACE.to_gdal()))
    return (
        f'<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:32632</SRS>'
        f"<GeoTransform>{place}</GeoTransform>{bands}</VRTDataset>"
    ).encode()


def _virtual(folder: Path, t1: np.ndarray, plain: dict[str, bytes]) -> Iterator[Good]:
    mask = _tiff(folder, np.where(t1[:1] > np.median(t1), 255, 0).astype(np.uint8))
    files = {f"in/{name}": content for name, content in plain.items()} | {"in/mask.tif": mask}
    inner = _vrt("t1.tif")
    lut = "<LUT>0:0,1:10,60000:600</LUT><NODATA>0</NODATA>"
    warped = (
        f'<VRTDataset rasterXSize="64" rasterYSize="64" subClass="VRTWarpedDataset">'
        f"<SRS>EPSG:32632</SRS><GeoTransform>{', '.join(map(str, PLACE.to_gdal()))}</GeoTransform>"
        '<VRTRasterBand dataType="UInt16" band="1" subClass="VRTWarpedRasterBand"/>'
        "<BlockXSize>64</BlockXSize><BlockYSize>64</BlockYSize><GDALWarpOptions>"
        "<WarpMemoryLimit>6.7e7</WarpMemoryLimit><ResampleAlg>Bilinear</ResampleAlg>"
        '<SourceDataset relativeToVRT="1">t1.tif</SourceDataset><BandList>'
        '<BandMapping src="1" dst="1"/></BandList></GDALWarpOptions></VRTDataset>'
    ).encode()
    for text in (
        inner,
        _vrt("t1.tif", mask=True),
        _vrt("inner.vrt"),
        _vrt("t1.tif", kind="ComplexSource", more=lut),
        warped,
    ):
        yield Good(
            kind="vrt",
            files=files | {"in/inner.vrt": inner, "in/t1.vrt": text},
            target="in/t1.vrt",
            commands=(CHECK, CHECK, DETECT),
        )


def _vectors(folder: Path, plain: dict[str, bytes]) -> Iterator[Good]:
    left, top = PLACE.c, PLACE.f
    shapes = [
        box(left + 10, top - 300, left + 300, top - 10),
        box(left + 350, top - 620, left + 600, top - 330).buffer(20),
    ]
    frame = gpd.GeoDataFrame(
        {"name": ["north", "south"], "size": [1.5, 2.5]}, geometry=shapes, crs=32632
    )
    files = {f"in/{name}": content for name, content in plain.items()}

    def commands(name: str) -> tuple[tuple[str, ...], ...]:
        return (
            (*CHECK, "--aoi", name),
            (*CHECK, "--mask", name),
            (*DETECT, "--dry-run", "--zones", name),
            (*DETECT, "--zones", name, "--vector", "gpkg,geojson"),
        )

    frame.to_file(folder / "zones.gpkg", layer="zones", driver="GPKG")
    with closing(sqlite3.connect(folder / "zones.gpkg")) as table:
        # The same bytes whenever they are made.
        table.execute("UPDATE gpkg_contents SET last_change = '2020-01-01T00:00:00.000Z'")
        table.commit()
    content = (folder / "zones.gpkg").read_bytes()
    for kind in ("gpkg", "gpkg", "gpkg"):
        name = "in/zones.gpkg"
        yield Good(kind=kind, files=files | {name: content}, target=name, commands=commands(name))
    frame.to_file(folder / "zones.shp")
    parts = {
        f"in/zones{end}": (folder / f"zones{end}").read_bytes()
        for end in (".shp", ".shx", ".dbf", ".prj")
    }
    for target in (*parts, "in/zones.shp"):
        yield Good(
            kind="shp", files=files | parts, target=target, commands=commands("in/zones.shp")
        )
    frame.to_crs(4326).to_file(folder / "zones.geojson", driver="GeoJSON")
    content, name = (folder / "zones.geojson").read_bytes(), "in/zones.geojson"
    yield Good(kind="geojson", files=files | {name: content}, target=name, commands=commands(name))


def _items(plain: dict[str, bytes]) -> Iterator[Good]:
    def item(number: int) -> dict[str, Any]:
        made = pystac.Item(
            id=f"S2A_32TPP_2018021{number}_0_L2A",
            geometry=box(10.2, 43.3, 10.3, 43.4).__geo_interface__,
            bbox=[10.2, 43.3, 10.3, 43.4],
            datetime=datetime(2018, 2, 10 + number, tzinfo=UTC),
            properties={"platform": "sentinel-2a", "s2:processing_baseline": "04.00"},
        )
        made.add_asset("image", pystac.Asset(href=f"./t{number}.tif", roles=["data"]))
        return made.to_dict(include_self_link=False)

    names = [("red", "B04"), ("green", "B03"), ("blue", "B02")]
    old, new = item(1), item(1)
    old["stac_version"] = "1.0.0"
    old["assets"]["image"]["eo:bands"] = [{"name": b, "common_name": c} for c, b in names]
    old["assets"]["image"]["raster:bands"] = [{"scale": 1e-4, "offset": -0.1}] * 3
    new["assets"]["image"]["bands"] = [{"name": b, "eo:common_name": c} for c, b in names]
    options = ("--stac", "--assets", "image")
    for first in (old, new):
        files = {f"in/{name}": content for name, content in plain.items()}
        files |= {"in/t1.json": json.dumps(first).encode()}
        files |= {"in/t2.json": json.dumps(item(2)).encode()}
        yield Good(
            kind="stac",
            files=files,
            target="in/t1.json",
            commands=(
                (*CHECK, *options),
                (*CHECK, "--stac", "--assets", "red,green,blue"),
                (*DETECT, *options),
            ),
        )


def _weights(plain: dict[str, bytes]) -> Iterator[Good]:
    rng = np.random.default_rng(0)
    level = {"conv1_1": (0, 3, 64), "conv1_2": (2, 64, 64)}
    kernels = {
        name: rng.normal(0, 0.05, (outputs, inputs, 3, 3)).astype(np.float32)
        for name, (_, inputs, outputs) in level.items()
    }
    torchvision = {
        f"features.{level[name][0]}.{part}": value
        for name, kernel in kernels.items()
        for part, value in (("weight", kernel), ("bias", np.zeros(64, np.float32)))
    }
    own = {
        f"{name}.{part}": value
        for name, kernel in kernels.items()
        for part, value in (("weight", kernel), ("bias", np.zeros(64, np.float32)))
    }
    told = {
        "name": "vgg16",
        "levels": [1],
        "preprocessing": {"order": "rgb", "scale": 1.0, "mean": [0.5] * 3, "std": [0.2] * 3},
        "source_sha256": "0" * 64,
    }
    archive, packed = BytesIO(), BytesIO()
    np.savez(archive, **own)
    np.savez_compressed(packed, **own)
    images = {f"in/{name}": content for name, content in plain.items()}
    for name, content in (
        ("in/w.safetensors", save(torchvision)),
        ("in/w.safetensors", save(own, metadata={"metriccd": json.dumps(told)})),
        ("in/w.npz", archive.getvalue()),
        ("in/w.npz", packed.getvalue()),
    ):
        yield Good(
            kind="weights",
            files=images | {name: content},
            target=name,
            commands=(
                ("weights", "import", "vgg16", name),
                (*DETECT[:6], "--dry-run", "--preset", "paper", "--extractor", name),
            ),
        )


GRID = """\
preset = "fast"
color_factor = 4

[[rows]]
name = "one"
method = "cva"
threshold = "otsu"

[[rows]]
name = "two"
method = "pcda"
"""
SETS = """\
[[sets]]
name = "ours"
dataset = "plain"
root = "set"
directions = ["both", "appeared"]
skip = []
"""


def _tables(folder: Path, plain: dict[str, bytes], truth: bytes) -> Iterator[Good]:
    left, top = PLACE.c, PLACE.f
    lines = [
        f"{left + 10 * col + 5},{top - 10 * row - 5},{(row + col) % 2}"
        for row in range(0, 64, 8)
        for col in range(0, 64, 8)
    ]
    points = "\n".join(["x,y,label", *lines]).encode()
    result = {f"out/{path.name}": path.read_bytes() for path in (folder / "result").glob("*")}
    for _ in range(2 if result else 0):
        yield Good(
            kind="csv",
            files=result | {"in/points.csv": points},
            target="in/points.csv",
            commands=(("evaluate", "out", "--reference", "in/points.csv", "-q"),),
        )
    for name in ("run.json", "run.json", "score.tif", "change.tif", "kind.tif") if result else ():
        yield Good(
            kind="result",
            files=result | {"in/truth.tif": truth},
            target=f"out/{name}",
            commands=(
                ("evaluate", "out", "--reference", "in/truth.tif", "-q"),
                ("threshold", "out", "0.4", "-q"),
                ("threshold", "out", "otsu", "-q", "--min-pixels", "2"),
            ),
        )
    pair = {f"set/{date}/a.tif": plain[f"{date}.tif"] for date in ("t1", "t2")}
    pair |= {"set/reference/a.tif": truth, "in/grid.toml": GRID.encode()}
    pair |= {"sets.toml": SETS.encode()}
    run = ("benchmark", "-o", "out", "-q")
    yield Good(
        kind="toml",
        files=pair,
        target="in/grid.toml",
        commands=((*run, "plain", "--root", "set", "--grid", "in/grid.toml"),),
    )
    yield Good(
        kind="toml",
        files=pair,
        target="sets.toml",
        commands=((*run, "sets.toml", "--methods", "cva"),),
    )
