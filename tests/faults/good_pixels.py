"""Small good images of every kind, made of a crop of real ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.shutil import copy
from rasterio.vrt import WarpedVRT

from faults.good import CHECK, DETECT, PLACE, UTM, Good

SIDE, FROM = 64, 300


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


def tiff(
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


def tiffs(folder: Path, t1: np.ndarray, plain: dict[str, bytes], truth: bytes) -> Iterator[Good]:
    small = (t1 // 16).clip(1, 255).astype(np.uint8)
    tiled = {"tiled": True, "blockxsize": 32, "blockysize": 32}
    corners = [
        GroundControlPoint(row=row, col=col, x=600_000 + 10 * col, y=4_800_000 - 10 * row)
        for row in (0, SIDE)
        for col in (0, SIDE)
    ]
    files = {
        "strips": plain["t1.tif"],
        "tiles": tiff(folder, t1, **tiled),
        "deflate": tiff(folder, t1, compress="deflate", predictor=2, **tiled),
        "lzw": tiff(folder, t1, compress="lzw", interleave="band"),
        "jpeg": tiff(folder, small, compress="jpeg", photometric="ycbcr", **tiled),
        "zstd": tiff(folder, t1, compress="zstd", bigtiff="yes", **tiled),
        "float": tiff(folder, t1.astype(np.float32) / 10_000, nodata=float("nan")),
        "gcps": tiff(folder, t1, gcps=corners),
        "bare": tiff(folder, t1, crs=None),
    }
    path = folder / "more.tif"
    tiff(folder, t1, name="more.tif", **tiled)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.pad(np.full((SIDE - 8, SIDE - 8), 255, np.uint8), 4))
        file.build_overviews([2, 4], Resampling.average)
        file.scales, file.offsets = (1e-4,) * 3, (0.1,) * 3
        file.descriptions = ("red", "green", "blue")
        file.update_tags(1, wavelength="665")
    files["masked"] = path.read_bytes()
    four = np.concatenate([small, np.full((1, SIDE, SIDE), 255, np.uint8)])
    files["alpha"] = tiff(folder, four, photometric="rgb", alpha="unspecified")
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


def pictures(folder: Path, t1: np.ndarray, t2: np.ndarray) -> Iterator[Good]:
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


def headed(folder: Path, t1: np.ndarray, plain: dict[str, bytes]) -> Iterator[Good]:
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


def _warped(folder: Path, content: bytes) -> bytes:
    """A VRT that warps, as GDAL writes it."""
    path, made = folder / "t1.tif", folder / "warped.vrt"
    path.write_bytes(content)
    with rasterio.open(path) as file, WarpedVRT(file, resampling=Resampling.bilinear) as vrt:
        copy(vrt, made, driver="VRT")
    source = b'<SourceDataset relativeToVRT="1">t1.tif</SourceDataset>'
    return re.sub(rb"<SourceDataset.*?</SourceDataset>", source, made.read_bytes())


def virtual(folder: Path, t1: np.ndarray, plain: dict[str, bytes]) -> Iterator[Good]:
    mask = tiff(folder, np.where(t1[:1] > np.median(t1), 255, 0).astype(np.uint8))
    files = {f"in/{name}": content for name, content in plain.items()} | {"in/mask.tif": mask}
    inner = _vrt("t1.tif")
    lut = "<LUT>0:0,1:10,60000:600</LUT><NODATA>0</NODATA>"
    warped = _warped(folder, plain["t1.tif"])
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
