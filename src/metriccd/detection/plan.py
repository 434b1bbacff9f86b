"""A scene shared out: what several processes can do of one detection at once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from metriccd.detection.calls import requested
from metriccd.detection.inputs import Inputs
from metriccd.detection.request import Request
from metriccd.detection.run import Detection
from metriccd.errors import DataError
from metriccd.output import unfinished_folder
from metriccd.raster import Image, bounded_cache
from metriccd.result import Drafts, software
from metriccd.scene import Files, Pass
from metriccd.stages import Stages


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Tiles or rasters of a scene that can be done in any order, by any process with the plan.

    It is plain data, so that it can be sent to another machine, which must have the images and the
    folder under the same names.

    Attributes:
        request: What is asked for.
        inputs: What the images held when the run began.
        work: Folder in which the run keeps what it finds.
        key: What tells the run from others.
        software: What must be the same in all processes for the tiles to be of one result.
        name: Of what is to be done: the pass "measure", "evidence" or "kinds", or "drafts".
        remaining: Numbers of the tiles or rasters that are to be done.
    """

    request: Request
    inputs: Inputs
    work: Path
    key: str
    software: tuple[Any, ...]
    name: str
    remaining: tuple[int, ...]


def prepare(out: str | Path, t1: Image, t2: Image, **asked: Any) -> Plan | None:
    """Begins a detection, or goes on with it, up to the next tiles that can be shared out.

    Call it until it returns None, each time after all of its plan is done; then call `detect_into`,
    which finds all of it done, and writes the rest of the result:

        while (plan := prepare(out, t1, t2)) is not None:
            do_tiles(plan, plan.remaining)  # or its parts, in as many processes
        detect_into(out, t1, t2)

    Tiles are shared out pass by pass, then the rasters, each of which is one of the last plan's
    "tiles". The fit and all that is decided on the way are kept beside `out`, as after an
    interrupt.

    Args:
        out: As of `detect_into`, and so are all.
        t1: First image.
        t2: Second image.
        asked: Any other argument of `detect_into`.

    Returns:
        None where nothing is left to be shared, or nobody can tell whether an input on a server
        stays as it is, so that the next call would not go on with what this one left.

    Raises:
        OutputError: `out` exists, cannot be written, or is being made.
        DataError: As of `detect_into`.
    """
    request, products = requested(out, t1, t2, **asked)
    inputs = [*request.files, *([] if products.zones is None else [products.zones])]
    overwrite = bool(asked.get("overwrite", False))
    with (
        request.trust.applied(),
        bounded_cache(),
        unfinished_folder(Path(out), overwrite=overwrite, inputs=inputs) as partial,
    ):
        partial.pause()
        detection = Detection.of(request)
        partial.require_apart(detection.pair.files)
        products.check(detection.pair.grid)
        key = detection.key()
        if not detection.inputs.known:
            return None
        work = partial.work(key)
        for each in _shares(detection, work, key):
            if remaining := each.remaining:
                return Plan(
                    request=replace(request, progress=None),
                    inputs=detection.inputs,
                    work=work,
                    key=key,
                    software=software(detection.options.device),
                    name=each.name,
                    remaining=tuple(remaining),
                )
        return None


def _shares(detection: Detection, work: Path, key: str) -> Generator[Pass | Drafts]:
    """All that can be shared out, each when what is before it is done."""
    workspace = Files(work, guard=detection.inputs.require_unchanged, key=key)
    result = yield from detection.passes(workspace)
    yield result.drafts(work)


def do_tiles(plan: Plan, numbers: Sequence[int]) -> None:
    """Does some tiles of a plan, in whatever process; those that are done already are left out.

    The images, the fit and the network stay open for the next call with the same plan.

    Args:
        plan: What `prepare` returned.
        numbers: Of the tiles.

    Raises:
        DataError: An input changed since the run began, or this process computes otherwise than
            the one that began it.
    """
    with plan.request.trust.applied(), bounded_cache():
        detection, each = _opened(plan)
        detection.inputs.require_unchanged()
        each.run(Stages(), numbers)


_OPEN: dict[tuple[Path, str], tuple[Detection, Pass | Drafts]] = {}


def _opened(plan: Plan) -> tuple[Detection, Pass | Drafts]:
    """The detection of a plan and what is to be done of it, opened once."""
    key = plan.work, plan.name
    if key not in _OPEN or _OPEN[key][0].inputs != plan.inputs:
        # One scene at a time: networks and images take memory.
        _OPEN.clear()
        detection = replace(Detection.of(plan.request), inputs=plan.inputs)
        if software(detection.options.device) != plan.software:
            raise DataError(
                "all processes of one detection must compute alike: this one has another version, "
                "processor or number of threads than the one that began it; set OMP_NUM_THREADS"
            )
        shares = _shares(detection, plan.work, plan.key)
        _OPEN[key] = detection, next(each for each in shares if each.name == plan.name)
    return _OPEN[key]
