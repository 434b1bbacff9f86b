"""An archive: a result on disk, opened again, and decided again without a new fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from metriccd.decision import BLOCK, Cleaning, Scale, judge
from metriccd.errors import DataError
from metriccd.gis import APPEARED, CHANGE
from metriccd.kinds import BY_EVIDENCE, NODATA, wanted_kinds
from metriccd.output import PAIRS, RECORD, output_folder, restored
from metriccd.raster import Grid, Window, open_raster
from metriccd.result.layers import Products, read_polygons
from metriccd.result.rasters import POTENTIAL, VIEWS, view_of
from metriccd.result.record import decision_record
from metriccd.result.result import Result
from metriccd.stages import Progress, Stages

Known = Callable[[Window], UInt8[np.ndarray, "row col"]]
# What a record must say for another threshold.
NEEDED = (
    *("score", "threshold", "cleaning", "products", "automatic", "history", "settings"),
    *("warnings", "inputs"),
)
Pixels = tuple[Float32[np.ndarray, "band row col"], Bool[np.ndarray, "row col"]]


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A folder that `detect` wrote.

    Attributes:
        folder: Where it is.
        record: Its `run.json`.
        grid: Where the pixels lie.
    """

    folder: Path
    record: dict[str, Any] = field(repr=False)
    grid: Grid

    @classmethod
    def of(cls, folder: Path) -> Archive:
        """Opens a result.

        Raises:
            DataError: The folder holds none, or one of another version.
        """
        record = read_record(folder)
        lack = _lacking(folder, record)
        if lack is not None:
            raise DataError(
                f"a result must be whole and of this version of metriccd: {folder} lacks {lack}; "
                "detect again"
            )
        return cls(folder=folder, record=record, grid=open_raster(folder / "score.tif").grid)

    @property
    def scale(self) -> Scale:
        """What the score is."""
        return Scale.of(self.record["score"])

    @property
    def cleaning(self) -> Cleaning:
        """What was asked to happen to the map."""
        return cleaning_of(self.record)

    @property
    def products(self) -> Products:
        """What was written of the polygons."""
        return products_of(self.record)

    def summary(self) -> dict[str, Any]:
        """The result in numbers, as its files hold them: no pixel is read.

        Raises:
            DataError: The change objects cannot be read.
        """
        changed, valid = self.record["changed_pixels"], self.record["valid_pixels"]
        with self.opened() as result:
            return result.summary(changed, valid, read_polygons(self.folder))

    @contextmanager
    def opened(self, stages: Stages | None = None) -> Iterator[Result]:
        """Yields the result as it was written, to be read by windows."""
        score, change = (open_raster(self.folder / name) for name in ("score.tif", "change.tif"))
        path = self.folder / POTENTIAL
        with (
            score.reader(self.grid, categorical=True) as scores,
            change.reader(self.grid, categorical=True) as classes,
            ExitStack() as stack,
        ):
            known: dict[str, Known] = {}
            if path.is_file():
                raster = open_raster(path)
                reader = stack.enter_context(raster.reader(self.grid, categorical=True))
                names = [band.name for band in raster.bands]
                known = {name: partial(_known, reader, band) for band, name in enumerate(names)}

            def read(
                window: Window,
            ) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
                values, valid = scores(window)
                changed, _ = classes(window)
                found = np.where(valid, values[0], np.float32(np.nan)).astype(np.float32)
                return changed[0] == CHANGE, found

            t1_rgb, t2_rgb = (_view(self.folder / name) for name in VIEWS)
            yield Result(
                read=read,
                threshold=self.record["threshold"]["value"],
                rule=self.record["threshold"]["rule"],
                grid=self.grid,
                kinds=known.get("kind"),
                clusters=known.get("cluster"),
                lean=partial(_lean, known["direction"]) if "direction" in known else None,
                t1_rgb=t1_rgb,
                t2_rgb=t2_rgb,
                history={
                    # JSON has null for what is no number.
                    name: tuple(np.nan if value is None else value for value in curve)
                    for name, curve in self.record["history"].items()
                },
                record=self.record,
                stages=stages or Stages(),
            )


def read_record(folder: Path) -> dict[str, Any]:
    """What a result says of itself.

    Raises:
        DataError: The folder holds no result, or its record says nothing of a threshold.
    """
    restored(folder)
    path = folder / RECORD
    if (folder / PAIRS).is_dir():
        raise DataError(
            f"a result of metriccd must be of one pair: {folder} holds several; "
            f"choose one of those in {folder / PAIRS}"
        )
    if not path.is_file():
        raise DataError(
            f"a result of metriccd must hold {RECORD}: {folder} does not; check the path"
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{RECORD} must be JSON: that of {folder} is not ({error!s:.200}); detect again"
        ) from None
    threshold = record.get("threshold") if isinstance(record, dict) else None
    told = threshold if isinstance(threshold, dict) else {}
    if not (isinstance(told.get("value"), int | float) and isinstance(told.get("rule"), str)):
        raise DataError(
            f"{RECORD} must tell the threshold: that of {folder} does not; detect again"
        )
    return dict(record)


def _lacking(folder: Path, record: Mapping[str, Any]) -> str | None:
    """What a result cannot be decided again without; None where all is there."""
    files = ["score.tif", "change.tif", *VIEWS, *([POTENTIAL] if record.get("kinds") else ())]
    lacks: list[str] = [name for name in files if not (folder / name).is_file()]
    lacks += [f"{name} in {RECORD}" for name in NEEDED if name not in record]
    if lacks:
        return lacks[0]
    try:
        Scale.of(record["score"])
        cleaning_of(record)
        products_of(record)
    except (AttributeError, KeyError, TypeError, ValueError):
        return f"what its score and objects are, in {RECORD}"
    return None


def cleaning_of(record: Mapping[str, Any]) -> Cleaning:
    """What a record says was asked to happen to the map; the defaults where it does not."""
    stored = record.get("cleaning", {})
    names = Cleaning.__dataclass_fields__
    return Cleaning(**{name: value for name, value in stored.items() if name in names})


def products_of(record: Mapping[str, Any]) -> Products:
    """What a record says was written of the polygons; the defaults where it does not."""
    stored = record.get("products")
    if stored is None:
        return Products()
    return Products(**(stored | {"vector": tuple(stored["vector"])}))


def decided(
    result: Result,
    wanted: str | float,
    cleaning: Cleaning,
    kinds: str | Sequence[str] | None = None,
) -> Result:
    """The result with another threshold on the same score.

    It is what `detect` gives with that threshold, but for the times that it took.

    Args:
        result: As `detect` made it, or opened again.
        wanted: "auto", a rule, or a score between 0 and 1.
        cleaning: What happens to the map.
        kinds: Kinds of change that count; None: those that did.

    Raises:
        DataError: The rule cannot decide on this score, or evidence for kinds is not at hand.
        GridError: Areas are asked for and unknown.
        ValueError: There is no such rule, or the score does not lie in [0, 1].
    """
    record = result.record
    scale, automatic = Scale.of(record["score"]), record["automatic"]
    rule = automatic if wanted == "auto" else wanted
    if not isinstance(rule, str) and not 0 <= rule <= 1:
        raise ValueError(f"a threshold must lie in [0, 1]: got {rule}")
    cleaning.require(result.grid)

    def score(window: Window) -> Float32[np.ndarray, "row col"]:
        return result.read(window)[1]

    verdict = judge(scale, rule, score, result.grid.windows(BLOCK))

    counted = (record["settings"].get("kinds") or ()) if kinds is None else kinds
    asked = wanted_kinds(counted)
    by_evidence = (asked is not None and asked.by_evidence) or automatic == BY_EVIDENCE
    if kinds is not None and by_evidence:
        raise DataError(
            "water and built ground alone are decided by evidence of their own, which a result "
            "does not keep: detect again with --kinds"
        )
    if asked is not None and result.kinds is None:
        raise DataError("kinds were asked for, and are not known any more: detect again")

    def read(
        window: Window,
    ) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
        values = score(window)
        change = values > verdict.threshold
        if asked is not None and result.kinds is not None:
            change &= np.isin(result.kinds(window), asked.values)
        return change, values

    cleaned, least = cleaning.clean(read, result.grid)
    of_the_last = record["threshold"]["warnings"]
    kept = [line for line in record["warnings"] if line not in of_the_last]
    settings = record["settings"] | {"asked threshold": wanted, "certainty": verdict.certainty}
    settings |= cleaning.record() | {"kinds": counted}
    return replace(
        result,
        read=cleaned,
        threshold=verdict.threshold,
        rule=verdict.rule,
        record=dict(record)
        | {"settings": settings, "warnings": list(dict.fromkeys((*kept, *verdict.warnings)))}
        | decision_record(
            scale, verdict, cleaning, least, supervised=bool(settings.get("supervised"))
        ),
    )


def decide_again(
    out: Path,
    wanted: str | float,
    *,
    cleaning: Cleaning | None = None,
    kinds: str | Sequence[str] | None = None,
    products: Products | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Decides again from the score of a result, and replaces the result, whole or not at all.

    Figures of an evaluation, which were those of the old map, go; files of others stay.

    Args:
        out: Folder of a result.
        wanted: "auto", a rule, or a score between 0 and 1.
        cleaning: What happens to the map; by default what happened before.
        kinds: Kinds of change that count; by default those that did before.
        products: What to write of the polygons; by default what was written before.
        progress: Called with (stage, done, total) as work goes on.

    Returns:
        The result in numbers: share, area, objects, threshold, warnings.

    Raises:
        DataError: `out` holds no result, or the rule cannot decide on its score.
        OutputError: `out` cannot be written.
        ValueError: There is no such rule, or the score does not lie in [0, 1].
    """
    archive = Archive.of(out)
    stages = Stages(progress)
    with (
        output_folder(out, keep=True) as folder,
        archive.opened(stages) as result,
    ):
        with stages.stage("decide"):
            again = decided(result, wanted, cleaning or archive.cleaning, kinds)
        return again.write(folder, name=out.resolve().name, products=products or archive.products)


def _known(
    read: Callable[[Window], Pixels], band: int, window: Window
) -> UInt8[np.ndarray, "row col"]:
    """A band of potential.tif."""
    found, valid = read(window)
    return np.where(valid, found[band], NODATA).astype(np.uint8)


def _lean(read: Known, window: Window) -> Float32[np.ndarray, "row col"]:
    """1 for what would appear, -1 for what would disappear, NaN not valid."""
    ways = read(window)
    leans = np.where(ways == APPEARED, 1, -1)
    return np.where(ways == NODATA, np.nan, leans).astype(np.float32)


def _view(path: Path) -> Float32[np.ndarray, "3 _row _col"]:
    """A picture of a date, for display.

    Raises:
        DataError: It is not there.
    """
    raster = open_raster(path)
    with raster.reader(raster.grid, categorical=True) as read:
        return view_of(*read(Window.whole(raster.grid.shape)))
