"""The call: images of one place in, what happened between them out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from inspect import signature
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from metriccd.detection import detect_into
from metriccd.errors import OutputError
from metriccd.output import RECORD, output_folder
from metriccd.pair import Dates, file_of_mask, several
from metriccd.raster import Image, bounded_cache
from metriccd.report import method_of
from metriccd.result import Archive, input_of, versions
from metriccd.series.evidence import Compared, evidence_reader, united
from metriccd.series.history import SAME, UNKNOWN, WORDS
from metriccd.series.kept import digest_of, kept_pairs, put, take_over
from metriccd.series.order import Dated, files_in, in_order
from metriccd.series.outlines import write_outlines
from metriccd.series.pairs import Comparison, compare, comparisons
from metriccd.series.rasters import Counts, write_rasters
from metriccd.series.report import render
from metriccd.series.timeline import Drawn, draw_timeline
from metriccd.stages import Progress, Stages
from metriccd.trust import Trust

# What `detect_into` takes that is told of a series as a whole.
OWN = {"out", "t1", "t2", "dates", "grid", "overwrite", "progress"}
# Share of the pixels from which on it is told that comparisons contradict each other: of series of
# eight real pairs it was at most .05, with an image of which half or a quarter was another's .03 to
# .46, under clouds over a fifth .05 to .31.
TORN = 0.15


def series(
    out: str | Path,
    images: Sequence[Image],
    *,
    dates: Dates | None = None,
    masks_of: Mapping[int, Image | Sequence[Image]] | None = None,
    overwrite: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
    **asked: Any,
) -> dict[str, Any]:
    """Finds when each pixel of a place changed, and whether the change lasted.

    Neighbors in time, every other image, and the first with the last one are compared by
    `detect_into`, all on the grid of the first image; docs/series.md says what follows from them.
    An interrupt, or a pair that fails, leaves the pairs that are finished beside `out`, and the
    same call goes on with the rest.

    Args:
        out: Folder, which appears whole or not at all.
        images: Two or more, in any order where it is known when they were taken.
        dates: When they were taken, one ISO 8601 date for each, instead of what their names tell.
        masks_of: What is left out of one image only, by its place in `images`, from 1.
        overwrite: Replace an earlier series there; pairs of it that are still the same are kept.
        workers: Processes that compare a pair each (extra `batch`).
        progress: Called with (stage, done, total) as work goes on.
        asked: What `detect_into` is told of every pair: preset, bands, masks, threshold ….

    Returns:
        The series in numbers.

    Raises:
        DataError: An image cannot be read, two are of one day, or a pair cannot be compared.
        GridError: Two images share no grid.
        OutputError: `out` exists, or cannot be written.
        TypeError: `detect_into` knows no such argument.
    """
    unknown = asked.keys() - (signature(detect_into).parameters.keys() - OWN)
    if unknown:
        raise TypeError(f"series() got an unexpected keyword argument {min(unknown)!r}")
    stages, target = Stages(progress), Path(out)
    trust = Trust(**{name: asked[name] for name in ("allow_remote", "max_pixels") if name in asked})
    with bounded_cache(), trust.applied():
        found, notes = in_order(
            images,
            dates=dates,
            masks_of=masks_of,
            **{name: asked[name] for name in ("nodata", "axes", "assets") if name in asked},
        )
        shared = [*map(file_of_mask, several(asked.get("masks", ()))), asked.get("aoi")]
        files = [*files_in(found), *(each for each in shared if isinstance(each, str | Path))]
        with (
            # What is kept goes once OUT is in its place.
            kept_pairs(target) as kept,
            output_folder(target, overwrite=overwrite, inputs=files) as folder,
        ):
            pairs = comparisons(found, asked)
            names = [each.name for each in pairs]
            take_over(target, kept, names)
            keys = compare(pairs, kept, workers=workers, progress=progress)
            results = [Compared.of(each.pair, kept / each.name) for each in pairs]
            try:
                summary = _write(folder, target.resolve().name, found, results, notes, stages)
                record = _record(found, asked, pairs, keys, kept, summary, stages)
                (folder / RECORD).write_text(_json(record), encoding="utf-8")
                put(kept, names, folder)
            except OSError as error:
                raise OutputError(
                    f"OUT must be writable: {error}; free space, or choose another folder"
                ) from error
    return summary


def _write(
    folder: Path,
    name: str,
    found: Sequence[Dated],
    results: Sequence[Compared],
    notes: Sequence[str],
    stages: Stages,
) -> dict[str, Any]:
    """Writes rasters, polygons, picture and report of a series; returns it in numbers."""
    grid = united(results)
    with evidence_reader(results, grid) as read:
        counts = write_rasters(folder, grid, read, found, stages)
    with stages.stage("polygons"):
        least = min(each.record["cleaning"]["least_pixels"] for each in results)
        objects = write_outlines(folder, grid, found, counts, least)
    with stages.stage("report"):
        summary: dict[str, Any] = {"title": f"{name}: {found[0].name} to {found[-1].name}"}
        summary |= _numbers(found, results, counts, grid.has_areas)
        summary |= {"objects": len(objects), "warnings": [*notes, *_contradictions(summary)]}
        neighbors = {each.pair: each for each in results}
        pairs = [neighbors[pair] for pair in pairwise(range(len(found)))]
        drawn = Drawn(
            series=found,
            lasting=(counts.lasted[1:] / max(summary["valid_pixels"], 1)).tolist(),
            # An image that differed alone is a change into it and one back.
            passing=(
                (counts.passed[1:] + counts.passed[:-1]) / max(summary["valid_pixels"], 1)
            ).tolist(),
            dates=counts.date_picture,
            kinds=counts.kind_picture,
            view=_view(pairs[-1], counts.kind_picture.shape),
            title=summary["title"],
            caption=summary["sentence"],
        )
        timeline = draw_timeline(drawn)
        (folder / "timeline.png").write_bytes(timeline)
        page = render(summary, {"versions": versions()}, timeline)
        (folder / "report.html").write_text(page, encoding="utf-8")
    return summary


def _view(result: Compared, shape: tuple[int, ...]) -> np.ndarray | None:
    """The second image of a pair for display, where it lies on an overview of this shape."""
    with Archive.of(result.folder).opened() as opened:
        view = opened.t2_rgb
    return view if view.shape[1:] == shape else None


def _numbers(
    found: Sequence[Dated], results: Sequence[Compared], counts: Counts, known: bool
) -> dict[str, Any]:
    valid = int(counts.kinds.pixels[:UNKNOWN].sum())
    kinds = {
        word: {
            "pixels": int(counts.kinds.pixels[kind]),
            "share": int(counts.kinds.pixels[kind]) / max(valid, 1),
            "area_m2": float(counts.kinds.area[kind]) if known else None,
        }
        for kind, word in WORDS.items()
    }
    changed = ", ".join(
        f"{kinds[word]['share']:.2%} {word}"
        for kind, word in WORDS.items()
        if kind != SAME and kinds[word]["pixels"]
    )
    return {
        "sentence": f"{len(found)} images: {changed or 'nothing changed'}",
        "valid_pixels": valid,
        "known_areas": known,
        "kinds": kinds,
        "images": [
            {
                "name": each.name,
                "label": each.raster.label,
                "first_pixels": int(counts.dates.pixels[each.number]),
                "first_m2": float(counts.dates.area[each.number]) if known else None,
                "lasting_pixels": int(counts.lasted[each.number - 1]),
                "transient_pixels": int(counts.passed[each.number - 1]),
                "contradicted_pixels": int(counts.torn[each.number - 1]),
            }
            for each in found
        ],
        "pairs": [
            {
                "name": each.folder.name,
                "changed_share": each.share,
                "threshold": each.record["threshold"]["value"],
                "rule": each.record["threshold"]["rule"],
                "warnings": each.record["warnings"],
            }
            for each in results
        ],
        "method": method_of(results[0].record),
    }


def _contradictions(summary: Mapping[str, Any]) -> list[str]:
    """What to say where comparisons contradict each other in much of the scene."""
    shares = {
        each["name"]: each["contradicted_pixels"] / max(summary["valid_pixels"], 1)
        for each in summary["images"]
    }
    return [
        f"the comparisons of {name}, the image before and the one after contradict each other in "
        f"{share:.0%} of the pixels, so what is told of these is uncertain: clouds do that, and "
        "images that repeat parts of others; mask them, or see the reports of the pairs"
        for name, share in shares.items()
        if share > TORN
    ]


def _record(
    found: Sequence[Dated],
    asked: Mapping[str, Any],
    pairs: Sequence[Comparison],
    keys: Sequence[str],
    kept: Path,
    summary: Mapping[str, Any],
    stages: Stages,
) -> dict[str, Any]:
    """What a series was made of."""
    return {
        "inputs": [
            input_of(each.raster)
            | {"date": None if each.when is None else each.when.as_record()}
            | {"masks": [str(mask) for mask in each.masks]}
            for each in found
        ],
        "settings": dict(asked),
        "pairs": {
            each.name: {
                "images": [number + 1 for number in each.pair],
                "key": key,
                "record": digest_of(kept / each.name / RECORD),
            }
            for each, key in zip(pairs, keys, strict=True)
        },
        "summary": dict(summary),
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(),
        "stages": [
            {"name": stage.name, "seconds": round(stage.seconds, 3)} for stage in stages.done
        ],
    }


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, default=str)
