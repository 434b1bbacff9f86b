"""Small good polygons, items, weights and tables around a pair of images."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pystac
from safetensors.numpy import save
from shapely.geometry import box

from faults.good import CHECK, DETECT, PLACE, Good

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


def vectors(folder: Path, plain: dict[str, bytes]) -> Iterator[Good]:
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


def _item(number: int) -> dict[str, Any]:
    made = pystac.Item(
        id=f"S2A_32TPP_2018021{number}_0_L2A",
        geometry=box(10.2, 43.3, 10.3, 43.4).__geo_interface__,
        bbox=[10.2, 43.3, 10.3, 43.4],
        datetime=datetime(2018, 2, 10 + number, tzinfo=UTC),
        properties={"platform": "sentinel-2a", "s2:processing_baseline": "04.00"},
    )
    made.add_asset("image", pystac.Asset(href=f"./t{number}.tif", roles=["data"]))
    return made.to_dict(include_self_link=False)


def items(plain: dict[str, bytes]) -> Iterator[Good]:
    """STAC items of both ways in which bands are told."""
    names = [("red", "B04"), ("green", "B03"), ("blue", "B02")]
    old, new = _item(1), _item(1)
    old["stac_version"] = "1.0.0"
    old["assets"]["image"]["eo:bands"] = [{"name": b, "common_name": c} for c, b in names]
    old["assets"]["image"]["raster:bands"] = [{"scale": 1e-4, "offset": -0.1}] * 3
    new["assets"]["image"]["bands"] = [{"name": b, "eo:common_name": c} for c, b in names]
    options = ("--stac", "--assets", "image")
    for first in (old, new):
        files = {f"in/{name}": content for name, content in plain.items()}
        files |= {"in/t1.json": json.dumps(first).encode()}
        files |= {"in/t2.json": json.dumps(_item(2)).encode()}
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


def weights(plain: dict[str, bytes]) -> Iterator[Good]:
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


def tables(folder: Path, plain: dict[str, bytes], truth: bytes) -> Iterator[Good]:
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


def manifests(folder: Path, plain: dict[str, bytes]) -> Iterator[Good]:
    """Pairs in each of the forms that a batch takes."""
    rows: list[dict[str, Any]] = [
        {"id": "one", "t1": "in/t1.tif", "t2": "in/t2.tif", "method": "cva", "threshold": "otsu"},
        {"id": "two", "t1": "in/t2.tif", "t2": "in/t1.tif", "method": "pcda", "min_pixels": 4},
    ]
    frame = gpd.GeoDataFrame(rows, geometry=[box(10, 43, 11, 44)] * 2, crs=4326)
    frame.to_parquet(folder / "pairs.parquet")
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names), *(",".join(str(row.get(n, "")) for n in names) for row in rows)]
    collection = {"type": "FeatureCollection", "features": [_item(1), _item(2)]}
    forms = {
        "pairs.csv": "\n".join(lines).encode(),
        "pairs.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "pairs.parquet": (folder / "pairs.parquet").read_bytes(),
        "in/pairs.json": json.dumps(collection).encode(),
    }
    files = {f"in/{name}": content for name, content in plain.items()}
    for name, content in forms.items():
        options = ("--assets", "image", "--allow-remote") if name.endswith(".json") else ()
        yield Good(
            kind="manifest",
            files=files | {name: content},
            target=name,
            commands=(("batch", name, "-o", "out", "--dry-run", "-q", *options),),
        )
