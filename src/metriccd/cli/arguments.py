"""Arguments: what several commands take, and how a wrong one or a fault ends a command."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec

import typer

from metriccd.cli.program import end, fault, open_log, require_surroundings, say
from metriccd.errors import EXIT_BUG, EXIT_USAGE, Fault, one_line

# Only plain libraries at the top: the command line must open at once.

# Of a wrong option, argument or command.
UsageError: Any = typer.BadParameter.__base__
# Of the lines in a log file.
TIME = "%Y-%m-%d %H:%M:%S"
# Options that name a file, or anything else that is read; masks may name an image of a series
# before, and classes after it.
READ = ("t1", "t2", "aoi", "zones", "extractor", "checkpoint")
MASKS = ("mask", "mask_of")
OF_IMAGE = re.compile(r"^\d+=")
Nodata = float | Literal["none"] | None
P = ParamSpec("P")


class Device(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Neighbors(StrEnum):
    """Pixels beside a pixel."""

    FOUR = "4"
    EIGHT = "8"


class Way(StrEnum):
    """Direction of change."""

    BOTH = "both"
    APPEARED = "appeared"
    DISAPPEARED = "disappeared"


class Palette(StrEnum):
    """Colors of error maps."""

    PAPER = "paper"
    COLORBLIND = "colorblind"


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """A command that ends with one line and an exit code, whatever goes wrong in it.

    The log file, where there is one, tells it too; of a bug, also where it was.
    """

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        log: Path | None = None
        try:
            require_surroundings()
            log = log_of(options)
            command(*arguments, **options)
        except typer.Exit:
            raise
        except BaseException as error:
            found = wrong_usage(error) if isinstance(error, UsageError) else fault(error)
            if log is not None:
                _log_fault(log, found, error)
            raise typer.Exit(end(found)) from None

    return run


def log_of(options: Mapping[str, Any]) -> Path | None:
    """The log file among a command's options, before the first line goes there; None without one.

    Raises:
        OutputError: A line would change OUT, an input, or what is no text.
    """
    log: Path | None = options.get("log_file")
    if log is None:
        return None
    from metriccd.output import require_log
    from metriccd.pair import file_of_mask

    read = [*(options.get(name) for name in READ), *(options.get("images") or ())]
    masks = [mask for name in MASKS for mask in options.get(name) or ()]
    read += [file_of_mask(OF_IMAGE.sub("", mask)) for mask in masks]
    require_log(log, options.get("out"), [each for each in read if isinstance(each, str | Path)])
    return log


@contextmanager
def in_place(out: Path) -> Iterator[None]:
    """Says what is true if an interrupt comes once the result has its place."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the result was already in place: {out}") from None


def say_restored(out: Path, *, quiet: bool) -> None:
    """Ends what a killed process had begun, first of all, and says so."""
    from metriccd.output import restored

    if restored(out) and not quiet:
        say(f"restored: the earlier result in {out}, which a killed process was replacing")


def wrong_usage(error: Any) -> Fault:
    """How a usage error ends a command: in one line, without the whole usage."""
    hint = "" if error.ctx is None else f"; see {error.ctx.command_path} --help"
    # Typer shows the help where nothing was typed, and has nothing more to say.
    told = one_line(error.format_message()) or "a command must be named"
    return Fault(f"error: {told}{hint}", EXIT_USAGE)


def _log_fault(path: Path, found: Fault, error: BaseException) -> None:
    """Adds to a log file why a command ended, if that can be written."""
    traced = traceback.format_exception(error) if found.code == EXIT_BUG else []
    with suppress(OSError), open_log(path) as stream:
        stream.write(f"{time.strftime(TIME)} {found.line}\n{''.join(traced)}")


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Lines for the stages, with times, not a bar.")
]
LogFile = Annotated[
    Path | None, typer.Option("--log-file", help="File to add a dated line for each stage to.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result in OUT.")]
First = Annotated[
    str, typer.Argument(metavar="T1", help="First image: a raster, a URL, or a band folder.")
]
Second = Annotated[
    str, typer.Argument(metavar="T2", help="Second image; resampled to the first one's grid.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write, whole or not at all.")]
Reference = Annotated[
    list[str],
    typer.Option(
        help="Ground truth; give it twice for a mask of change and one of no change. "
        "evaluate takes a CSV of points too: x,y,label or lon,lat,label."
    ),
]
Bands = Annotated[
    str | None,
    typer.Option(help="Bands to compare: 4,3,2 or B04,B03 or red,nir,swir1 … or all."),
]
BandNamesOf = Annotated[
    str | None,
    typer.Option(
        "--band-names",
        help="Names of all bands, in order, of an image that names none: swir1,nir,green.",
    ),
]
MissingValue = Annotated[
    str | None, typer.Option("--nodata", help="Value of missing pixels, or none.")
]
Rgb = Annotated[str | None, typer.Option(help="Red, green and blue among the bands.")]
Mask = Annotated[
    list[str] | None,
    typer.Option(
        help="Left out: a raster where it is not 0, a vector file, FILE:SCL, FILE:QA_PIXEL, "
        "FILE:UDM2, FILE:VALUES=1,2, or SCL alone for the images' own band; classes follow a =."
    ),
]
MaskDilate = Annotated[int, typer.Option(min=0, help="Pixels by which masks grow.")]
Bbox = Annotated[
    str | None, typer.Option(metavar="W,S,E,N", help="Only this part, in the CRS of T1.")
]
BboxCrs = Annotated[str | None, typer.Option(help="CRS of --bbox: EPSG:4326 for degrees.")]
Coregister = Annotated[
    bool, typer.Option("--coregister", help="Move t2 onto t1, if a shift is found between them.")
]
CoregisterLocal = Annotated[
    bool, typer.Option("--coregister-local", help="The same, by a shift that varies smoothly.")
]
Offset = Annotated[
    str, typer.Option(help="Added to Sentinel-2's values: auto (as products tell), 0 or -1000.")
]
DatesOf = Annotated[
    str | None,
    typer.Option("--dates", help="When T1 and T2 were taken: 2019-06-01,2020-06-01."),
]
Stac = Annotated[bool, typer.Option("--stac", help="T1 and T2 are STAC items, files or URLs.")]
Assets = Annotated[str | None, typer.Option(help="Their assets to compare, by key or common name.")]
USUAL_ASSETS = "red,green,blue,nir"


class Finding(StrEnum):
    """How clouds are found."""

    NO = "no"
    AUTO = "auto"


Clouds = Annotated[
    Finding,
    typer.Option("--clouds", help="auto leaves out clouds and their shadows (extra 'clouds')."),
]
Aoi = Annotated[str | None, typer.Option(help="Only within these polygons: a vector file.")]
AllowRemote = Annotated[
    bool,
    typer.Option(
        "--allow-remote",
        help="Open what VRTs and STAC items name out of their folders and on other machines too.",
    ),
]
MaxPixels = Annotated[int, typer.Option(min=1, help="Refuse to compare more pixels than these.")]
Extractor = Annotated[
    str | None, typer.Option(help="embedded, efficientnet-lite0, vgg16, or a weights file.")
]
CheckpointOf = Annotated[
    str | None,
    typer.Option("--checkpoint", help="What train wrote, for methods unet, seco_rand, seco_pre."),
]
Checkpoints = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoint", help="What train wrote, for a supervised method: one for each of them."
    ),
]
OnDevice = Annotated[Device, typer.Option("--device", help="Where to compute.")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same machine: same result.")]
OBJECTS = "Objects and polygons"
# What happens to the change map and its polygons; None: what is told elsewhere.
MinArea = Annotated[
    float | None,
    typer.Option(min=0, help="Drop objects smaller than this, in m².", rich_help_panel=OBJECTS),
]
MinPixels = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Drop objects of fewer pixels. By default of fewer than chance would connect in such "
        "a scene: 3 to 16.",
        rich_help_panel=OBJECTS,
    ),
]
FillHoles = Annotated[
    int | None,
    typer.Option(min=0, help="Fill holes of at most that many pixels.", rich_help_panel=OBJECTS),
]
Connect = Annotated[
    Neighbors | None,
    typer.Option(
        "--connectivity",
        help="4: pixels of an object share edges; 8: edges or corners.",
        rich_help_panel=OBJECTS,
    ),
]
Simplify = Annotated[
    str | None,
    typer.Option(help="Simplify outlines by about that much: 1.5px, 10m.", rich_help_panel=OBJECTS),
]
Vector = Annotated[
    str | None,
    typer.Option(
        help="Formats of the polygons: gpkg,geojson,parquet,fgb.", rich_help_panel=OBJECTS
    ),
]
Zones = Annotated[
    str | None,
    typer.Option(
        help="File of polygons: tells what changed in each of them.", rich_help_panel=OBJECTS
    ),
]
PaletteOf = Annotated[Palette, typer.Option("--palette", help="Colors of the error maps.")]
Threshold = Annotated[str, typer.Option(help="auto, a rule (otsu, kmeans, chi2 …), or a score.")]


@contextmanager
def usage() -> Iterator[None]:
    """Turns a wrong argument into a usage error."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def level_of(text: str) -> str | float:
    """A threshold as a score, or the name of a rule."""
    try:
        return float(text)
    except ValueError:
        return text


def missing_value(text: str | None) -> Nodata:
    """A value of missing pixels, "none", or None.

    Raises:
        ValueError: Neither a number nor "none".
    """
    if text is None:
        return None
    if text == "none":
        return "none"
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--nodata must be a number or none: got {text}") from None


def listed(text: str | None) -> list[str] | None:
    """Names that commas part."""
    return None if text is None else [part.strip() for part in text.split(",")]


def one_or_two(paths: Sequence[str]) -> str | tuple[str, str]:
    """One reference, or masks of change and of no change.

    Raises:
        ValueError: There are more.
    """
    if len(paths) > 2:
        raise ValueError(f"--reference is given once or twice: got {len(paths)}")
    return paths[0] if len(paths) == 1 else (paths[0], paths[1])


def assets_of(stac: bool, assets: str | None) -> list[str] | None:
    """Assets of items, or None where the images are no items."""
    return listed(assets or USUAL_ASSETS) if stac or assets else None
