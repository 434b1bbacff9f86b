"""The desk: what is asked of one open result, and answered in plain values."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from threading import Event, Lock, Thread, get_native_id
from typing import Any

import numpy as np
from jaxtyping import Bool

from metriccd.errors import DataError, MetricCDError
from metriccd.raster import Window
from metriccd.review import (
    ANSWERS,
    FORMATS,
    Answers,
    Given,
    Queue,
    estimate,
    export,
    read_objects,
)
from metriccd.view.outlines import PARTS, Outlines, parts_of
from metriccd.view.scene import LEVELS, Scene
from metriccd.view.tiles import Tiles

# Most rows of a part of the list.
ROWS = 200
# Seconds in which what goes on may end.
PATIENCE = 10
# Seconds without a request after which there is time for what takes long.
CALM = 1.0
# By how much what takes long stands back.
NICE = 10
OPEN = "open"


class AskError(Exception):
    """What the page asks for is not what can be asked; it is the page's fault."""


class Contents:
    """The objects of a result, in order and with answers."""

    def __init__(self, scene: Scene, turn: Callable[[], object]) -> None:
        """Of a result; it takes a second or two for 100,000 objects.

        Args:
            scene: The result.
            turn: Called between parts of them: others have their turn.

        Raises:
            DataError: They cannot be read, or the answers.
        """
        pixel = math.sqrt(abs(scene.grid.transform.determinant))
        self.objects = read_objects(scene.folder, scene.grid, turn)
        self.answers = Answers(scene.folder, self.objects, pixel=pixel)
        self.queue = Queue.of(self.objects)
        self._of_pixels = scene.kinds
        self.outlines = Outlines(self.objects, scene.pyramid)
        self.parts = parts_of(self.objects.score_max)
        self.orders = {
            "doubt": self.queue.ranked,
            "size": np.argsort(-self.objects.sizes, kind="stable"),
            "score": np.argsort(-self.objects.score_mean, kind="stable"),
        }

    def facts(self) -> dict[str, Any]:
        """What the page must know of all of them."""
        counts = np.bincount(self.objects.kinds, minlength=16)
        return {
            "objects": len(self.objects),
            "sized": "m2" if self.objects.in_meters else "px",
            "size": float(self.objects.sizes.sum()),
            "counts": counts.tolist(),
            "present": sorted({*(1 + np.flatnonzero(counts[1:])).tolist(), *self._of_pixels}),
            "answers": {
                str(self.objects.ids[place]): each.answer
                for place, each in self.answers.given.items()
            },
        }


class Desk:
    """One result, its tiles, its list and its review."""

    def __init__(self, scene: Scene) -> None:
        """Of an open result."""
        self.scene = scene
        self.tiles = Tiles(scene)
        self._lock = Lock()
        self._contents: Contents | None = None
        self._wanted = Event()
        self._thread = Thread(target=self._study, daemon=True)
        self._thread.start()

    def _study(self) -> None:
        # Whoever asks is told what is wrong. Files may go at any moment.
        with suppress(MetricCDError, OSError):
            self._read()
        calm = self.scene.calm
        # The first picture comes first.
        if not (calm.begun() and calm.wait(CALM)):
            return
        if sys.platform == "linux":
            # There, this is of a thread.
            os.setpriority(os.PRIO_PROCESS, get_native_id(), NICE)
        with suppress(MetricCDError, OSError):
            self.scene.study()

    def _read(self) -> Contents:
        with self._lock:
            if self._contents is None:
                calm = self.scene.calm
                self._contents = Contents(self.scene, lambda: calm.wait(unless=self._wanted))
            return self._contents

    def asked(self) -> None:
        """Notes that somebody looks at it."""
        self.scene.calm.asked()

    def close(self) -> None:
        """Ends what goes on beside the requests."""
        self.scene.calm.close()
        self._thread.join(PATIENCE)

    @property
    def contents(self) -> Contents:
        """The objects, once they are read.

        Raises:
            DataError: They cannot be read.
        """
        # Who asks for them does not wait for calm.
        self._wanted.set()
        return self._read()

    def state(self) -> dict[str, Any]:
        """What may change while the page is open."""
        scene = self.scene
        scene.calm.came()
        why = scene.originals if isinstance(scene.originals, str) else None
        return {
            "stamp": scene.stamp,
            "shown": scene.shown,
            "looking": scene.originals is None,
            "why": why,
            "counted": scene.levels is not None,
        }

    def listed(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """A part of the objects above a score, of some kinds, in some order.

        Args:
            asked: `above` in parts of 1 in 1000, `kinds` as numbers, `order`, `state` ("open" or
                an answer), `from`.

        Raises:
            AskError: There is no such order, or a number is none.
        """
        inside = self.contents
        objects, given = inside.objects, inside.answers.given
        above = whole(asked.get("above", 0))
        chosen: Bool[np.ndarray, " object"] = inside.parts > above
        if "kinds" in asked:
            kinds = [whole(part) for part in asked["kinds"].split(",") if part]
            chosen = chosen & np.isin(objects.kinds, kinds)
        wanted = asked.get("state", "")
        if wanted:
            chosen = chosen & self._in_state(wanted, given)
        name = asked.get("order", "doubt")
        if name not in inside.orders:
            raise AskError(f"objects come in the orders {', '.join(inside.orders)}: got {name}")
        order = inside.orders[name]
        places = order[chosen[order]]
        first = max(whole(asked.get("from", 0)), 0)
        return {
            "count": len(places),
            "size": float(objects.sizes[places].sum()),
            "rows": [self._row(place, given) for place in places[first : first + ROWS].tolist()],
            "pixels": self._pixels(above),
        }

    def _in_state(self, wanted: str, given: Mapping[int, Given]) -> Bool[np.ndarray, " object"]:
        found = np.zeros(len(self.contents.objects), bool)
        chosen = [place for place, each in given.items() if wanted in {each.answer, OPEN}]
        found[chosen] = True
        return ~found if wanted == OPEN else found

    def _pixels(self, above: int) -> int | None:
        """Pixels with a score above; None while they are counted."""
        levels = self.scene.levels
        if levels is None or PARTS != LEVELS:
            return None
        return int(levels[above]) if 0 <= above < len(levels) else 0

    def _row(self, place: int, given: Mapping[int, Given]) -> dict[str, Any]:
        """An object in the list."""
        objects = self.contents.objects
        answer = given.get(place)
        return {
            "id": int(objects.ids[place]),
            "size": float(objects.sizes[place]),
            "score": round(float(objects.score_mean[place]), 3),
            "kind": int(objects.kinds[place]),
            "box": objects.boxes[place].tolist(),
            "answer": None if answer is None else answer.answer,
            "answered": None if answer is None else answer.kind,
        }

    def described(self, number: int) -> dict[str, Any]:
        """All that is known of an object.

        Raises:
            AskError: There is none of this id.
        """
        objects, place = self.contents.objects, self._place(number)
        return self._row(place, self.contents.answers.given) | {
            "pixels": int(objects.pixels[place]),
            "highest": round(float(objects.score_max[place]), 3),
        }

    def pixel(self, row: int, col: int) -> dict[str, Any]:
        """What the layers say of a pixel; nothing of one beyond the scene."""
        grid = self.scene.grid
        if not (0 <= row < grid.height and 0 <= col < grid.width):
            return {}
        window = Window(row=row, col=col, height=1, width=1)
        found: dict[str, Any] = {}
        for layer in ("score", "kind"):
            if layer in self.scene.rasters:
                values, valid = self.tiles.read(layer, window, 1)
                found[layer] = round(float(values[0, 0, 0]), 3) if valid[0, 0] else None
        return found

    def review(self, passed: Collection[int] = ()) -> dict[str, Any]:
        """How far the review is, what it tells, and whose turn it is.

        Args:
            passed: Objects that the person does not want to answer now.
        """
        inside, objects = self.contents, self.contents.objects
        given = inside.answers.given
        how = {place: each.how for place, each in given.items()}
        places = {objects.places[number] for number in passed if number in objects.places}
        turn = inside.queue.next(how, places)
        changed = {place: each.answer != "rejected" for place, each in given.items()}
        same = {place: each.answer == "accepted" for place, each in given.items()}
        size = float(sum(objects.sizes[place] for place in given))
        return {
            "answered": len(given),
            "objects": len(objects),
            "counts": {name: sum(e.answer == name for e in given.values()) for name in ANSWERS},
            "share": size / (float(objects.sizes.sum()) or 1.0),
            "strays": inside.answers.strays,
            "change": estimate(objects.sizes, changed, how, inside.queue).as_dict(),
            "kind": estimate(objects.sizes, same, how, inside.queue).as_dict(),
            "turn": None
            if turn is None
            else self.described(int(objects.ids[turn.place])) | {"how": turn.how},
        }

    def answer(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Keeps an answer; then as `review`.

        Args:
            sent: `object`, `answer`, `kind` where it is relabeled, `stamp`, and `passed`.

        Raises:
            DataError: The result was replaced meanwhile.
            AskError: There is no such object, answer or kind.
        """
        self._require(sent)
        inside = self.contents
        place = self._place(whole(sent.get("object")))
        listed = sent.get("passed", [])
        passed = {whole(number) for number in listed} if isinstance(listed, list) else set()
        how = {place: each.how for place, each in inside.answers.given.items()}
        places = {inside.objects.places[n] for n in passed if n in inside.objects.places}
        turn = inside.queue.next(how, places)
        asked = turn.how if turn is not None and turn.place == place else "chosen"
        kind = sent.get("kind")
        try:
            inside.answers.give(
                place,
                str(sent.get("answer")),
                kind=None if kind is None else str(kind),
                how=how.get(place, asked),
            )
        except ValueError as error:
            raise AskError(str(error)) from None
        return self.review(passed)

    def undo(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Takes the last answer back; then as `review`, with the object that it was of.

        Raises:
            DataError: The result was replaced meanwhile.
        """
        self._require(sent)
        inside = self.contents
        place = inside.answers.undo()
        number = None if place is None else int(inside.objects.ids[place])
        return self.review() | {"undone": None if number is None else self.described(number)}

    def accepted(self, kind: str) -> bytes:
        """The accepted objects as a file.

        Raises:
            AskError: There is no such format.
        """
        if kind not in FORMATS:
            raise AskError(f"a file must be one of {', '.join(FORMATS)}: got {kind}")
        inside = self.contents
        return export(self.scene.folder, inside.objects, inside.answers.given, kind)

    def _place(self, number: int) -> int:
        """Where an object is in the columns.

        Raises:
            AskError: There is none of this id.
        """
        place = self.contents.objects.places.get(number)
        if place is None:
            raise AskError(f"an object must be one of the result: got {str(number)[:40]}")
        return place

    def _require(self, sent: Mapping[str, Any]) -> None:
        """Refuses what was meant for objects that are no longer there.

        Raises:
            DataError: The result was replaced meanwhile.
        """
        if sent.get("stamp") != self.scene.stamp:
            raise DataError("the result was replaced meanwhile: load the page again")


def whole(value: Any) -> int:
    """A whole number, as a page sends it.

    Raises:
        AskError: It is none.
    """
    try:
        # Half an object is none.
        return int(str(value) if isinstance(value, bool | float) else value)
    except (TypeError, ValueError):
        raise AskError(f"a whole number was expected: got {str(value)[:40]!r}") from None
