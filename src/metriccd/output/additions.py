"""Additions: files that join others in a folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from metriccd.errors import OutputError
from metriccd.output.exchange import undisturbed
from metriccd.output.marker import MARKER, Marker
from metriccd.output.place import resolved, unwritable
from metriccd.output.workshop import Workshop, workshop

Add = Callable[[Mapping[str, bytes]], None]
# Seconds to wait for a process that writes the same folder.
WAIT = 10.0


@contextmanager
def additions(out: Path, names: Collection[str], *, edited: Collection[str] = ()) -> Iterator[Add]:
    """Yields a function that adds files to OUT, all of them written before the first has its name.

    No other process replaces OUT meanwhile. What is added is entered into OUT's list.

    Args:
        out: An existing folder.
        names: What will be added; what has such a name there must be ours, and not changed.
        edited: Those of which what was there is kept within what is added.

    Raises:
        OutputError: There is a foreign file of such a name, OUT cannot be written, or is being
            made.
    """
    target = resolved(out)
    try:
        with ExitStack() as opening:
            shop = opening.enter_context(workshop(target, wait=WAIT))
            _require_ours(target, set(names) - set(edited))
            opened = opening.pop_all()
    except OSError as error:
        raise OutputError(unwritable(target, error)) from None
    with opened:
        yield lambda files: _add(shop, files, edited)


def add_together(out: Path, files: Mapping[str, bytes]) -> None:
    """Adds files to OUT at once.

    Raises:
        OutputError: There is a foreign file of such a name, OUT cannot be written, or is being
            made.
    """
    with additions(out, files) as add:
        add(files)


def require_ours(out: Path, names: Collection[str]) -> None:
    """Refuses a folder where a file that will be added is somebody else's.

    Raises:
        OutputError: There is a foreign file of such a name.
    """
    if out.is_dir():
        _require_ours(out, names)


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Adds files to a folder that is only ours: all are written before the first takes its name.

    Raises:
        OutputError: The folder cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
            for name, content in files.items():
                (Path(partial) / name).write_bytes(content)
            for name in files:
                (Path(partial) / name).replace(folder / name)
    except OSError as error:
        raise OutputError(unwritable(folder, error)) from None


def _add(shop: Workshop, files: Mapping[str, bytes], edited: Collection[str]) -> None:
    marker = Marker.read(shop.out) or Marker({})
    # An edited file that somebody else had changed stays somebody else's.
    theirs = {
        name
        for name in edited
        if os.path.lexists(shop.out / name) and not marker.holds(shop.out / name)
    }
    try:
        shop.result.mkdir()
        # What a kill leaves here is known, too.
        Marker(dict.fromkeys(files, ())).write(shop.result)
        for name, content in files.items():
            (shop.result / name).write_bytes(content)
        # Known before they are there: a kill in between leaves nothing foreign.
        (marker | Marker.of(shop.result, files.keys() - theirs)).write(shop.out)
        with undisturbed():
            for name in files:
                (shop.result / name).replace(shop.out / name)
    except OSError as error:
        raise OutputError(unwritable(shop.out, error)) from None
    finally:
        with suppress(OSError, OutputError):
            shop.clear_result()


def _require_ours(out: Path, names: Collection[str]) -> None:
    marker = Marker.read(out) or Marker({})
    theirs = [
        name
        for name in sorted(names)
        if os.path.lexists(out / name) and not marker.holds(out / name)
    ]
    if theirs or (os.path.lexists(out / MARKER) and Marker.read(out) is None):
        name = theirs[0] if theirs else MARKER
        raise OutputError(
            f"OUT must hold no {name} but metriccd's own: that of {out} was changed, or is of "
            "another program or version; move it"
        )
