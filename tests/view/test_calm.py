"""Calm: what takes long waits for whoever looks, and never for ever."""

from __future__ import annotations

import threading
import time

from metriccd.view.calm import QUIET, Calm


def test_nothing_waits_before_anybody_asks() -> None:
    start = time.monotonic()
    assert Calm().wait()
    assert time.monotonic() - start < QUIET


def test_a_step_waits_until_nobody_has_asked_for_a_while() -> None:
    calm = Calm()
    start = time.monotonic()
    calm.asked()
    assert calm.wait()
    assert time.monotonic() - start >= QUIET


def test_what_somebody_waits_for_goes_on_at_once() -> None:
    calm, wanted = Calm(), threading.Event()
    calm.asked()
    wanted.set()
    start = time.monotonic()
    assert calm.wait(60, unless=wanted)
    assert time.monotonic() - start < 10


def test_closing_ends_all_waiting() -> None:
    calm, found = Calm(), []
    calm.asked()
    waiting = threading.Thread(target=lambda: found.append(calm.wait(600)))
    waiting.start()
    calm.close()
    waiting.join(30)
    assert found == [False]
    nobody = Calm()
    nobody.close()
    assert not nobody.begun()


def test_it_has_begun_when_somebody_is_there() -> None:
    calm = Calm()
    threading.Timer(0.05, calm.came).start()
    assert calm.begun()
