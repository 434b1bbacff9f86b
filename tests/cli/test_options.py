"""Options of detect: in a manifest they mean what they mean on the command line."""

from __future__ import annotations

import inspect

import pytest
import typer

from metriccd.cli.app import app
from metriccd.cli.batch import OTHERS
from metriccd.cli.options import READERS, SAFEGUARDS, arguments_of
from metriccd.detection import detect_into

# One text of each option, as people would write it in a row.
WRITTEN = {
    "preset": "fast",
    "method": "irmad",
    "stac": "true",
    "assets": "red,nir",
    "bands": "3,2,1",
    "rgb": "3,2,1",
    "mask": "a.tif;b.tif:SCL=3,8",
    "mask_dilate": "2",
    "clouds": "auto",
    "bbox": "0,0,10,10",
    "bbox_crs": "EPSG:4326",
    "aoi": "aoi.gpkg",
    "coregister": "yes",
    "coregister_local": "1",
    "offset": "-1000",
    "nodata": "none",
    "band_names": "red,green,blue",
    "dates": "2019-06-01,2020-06-01",
    "direction": "both",
    "threshold": "0.4",
    "min_area": "900.5",
    "min_pixels": "7",
    "fill_holes": "3",
    "connectivity": "8",
    "kinds": "water-gained,built",
    "simplify": "1.5px",
    "vector": "geojson",
    "zones": "zones.gpkg",
    "extractor": "vgg16",
    "checkpoint": "unet.safetensors",
    "device": "cpu",
    "seed": "5",
}
# What an option cannot be said without.
ALONG = {"checkpoint": {"method": "unet"}}
FLAGS = ("stac", "coregister", "coregister_local")


def options_of(command: str) -> dict[str, object]:
    found = typer.main.get_command(app).commands[command].params
    return {each.name: each for each in found}


def test_rows_know_all_options_of_detect_and_no_others() -> None:
    assert set(READERS) == set(options_of("detect")) - {*OTHERS, *SAFEGUARDS}
    assert {*READERS, *SAFEGUARDS} <= set(options_of("batch"))


def test_detect_into_is_told_of_all_of_them() -> None:
    known = set(inspect.signature(detect_into).parameters)
    # Another grid is for series, whose dates all lie on one.
    others = {"out", "t1", "t2", "axes", "grid", "overwrite", "progress"}
    assert set(arguments_of({})) == known - others


def test_what_is_not_said_is_what_detect_into_takes_by_default() -> None:
    defaults = {
        name: each.default for name, each in inspect.signature(detect_into).parameters.items()
    }
    # A length is text on the command line.
    told = arguments_of({}) | {"simplify": 0.0}
    assert {name: defaults[name] for name in told} == told


@pytest.mark.parametrize("name", READERS)
def test_a_cell_means_what_the_same_text_means_on_the_command_line(name: str) -> None:
    texts = WRITTEN[name].split(";") if name == "mask" else [WRITTEN[name]]
    option, along = f"--{name.replace('_', '-')}", ALONG.get(name, {})
    typed = [option] if name in FLAGS else [part for text in texts for part in (option, text)]
    command = typer.main.get_command(app).commands["detect"]
    with command.make_context("detect", ["a.tif", "b.tif", "-o", "out", *typed]) as context:
        assert arguments_of({name: READERS[name](WRITTEN[name])} | along) == arguments_of(
            {name: context.params[name]} | along
        )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("stac", "perhaps"),
        ("min_pixels", "-1"),
        ("min_pixels", "²"),
        ("min_area", "nan"),
        ("min_area", "1e999"),
        ("device", "gpu"),
        ("connectivity", "6"),
    ],
)
def test_a_cell_that_means_nothing_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        READERS[name](text)
