"""The plugin's side of the command: found, told, in an environment of its own, ended."""

from __future__ import annotations

import json
import shlex
import stat
import sys
import time
from pathlib import Path

import pytest
from metriccd_qgis import command
from metriccd_qgis.choices import DIRECTIONS, KINDS, METHODS, MOVES, PRESETS
from metriccd_qgis.command import CommandError, environment, find, run, words_of

from metriccd import methods
from metriccd.cli.arguments import Way
from metriccd.cli.options import READERS
from metriccd.kinds.legend import KINDS as LEGEND


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_choices_are_those_of_the_command() -> None:
    assert set(PRESETS) == set(methods.PRESETS)
    assert set(METHODS) == set(methods.METHODS) - methods.SUPERVISED
    assert set(KINDS) == set(LEGEND)
    assert list(DIRECTIONS) == [each.value for each in Way]
    assert {option for option in MOVES.values() if option} <= READERS.keys()


def test_without_a_setting_the_command_is_found_on_path_or_where_pip_puts_it(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(CommandError, match="none was found on PATH"):
        find("")
    usual = program(tmp_path / "home" / ".local" / "bin" / "metriccd")
    assert find(" ") == [str(usual)]
    on_path = program(tmp_path / "bin" / "metriccd")
    assert find("") == [str(on_path)]


def test_a_setting_is_a_command_a_python_or_an_environment(tmp_path: Path) -> None:
    own = program(tmp_path / "venv" / "bin" / "metriccd")
    python = program(tmp_path / "venv" / "bin" / "python3.12")
    assert find(str(own)) == find(str(tmp_path / "venv")) == find(str(own.parent)) == [str(own)]
    assert find(str(python)) == [str(python), "-m", "metriccd"]
    (tmp_path / "text").write_text("")
    for wrong in ("nothing", "text", "."):
        with pytest.raises(CommandError, match="must be a program"):
            find(str(tmp_path / wrong))


def test_options_are_said_when_they_are_asked_for_and_no_value_is_taken_for_one() -> None:
    words = words_of(
        "detect",
        ["-a.tif", "b.tif"],
        {
            "out": "/tmp/a b",
            "bands": "",
            "min_area": None,
            "min_pixels": 0,
            "nodata": "-9999",
            "overwrite": False,
            "coregister": True,
            "mask": ["a.gpkg", "b.tif:SCL"],
        },
        ["--seed", "1"],
    )
    assert shlex.join(words) == (
        "detect '--out=/tmp/a b' --min-pixels=0 --nodata=-9999 --coregister --mask=a.gpkg "
        "--mask=b.tif:SCL --seed 1 --verbose --json -- -a.tif b.tif"
    )


def test_nothing_of_the_python_gdal_and_proj_of_qgis_reaches_the_command() -> None:
    qgis = dict.fromkeys(
        ("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA"), "x"
    )
    kept = environment({**qgis, "__PYVENV_LAUNCHER__": "x", "PATH": "/bin", "HOME": "/root"})
    assert kept == {"PATH": "/bin", "HOME": "/root", "PYTHONIOENCODING": "utf-8"}


def child(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def never() -> bool:
    return False


def test_lines_arrive_as_they_are_said_and_the_summary_at_the_end(monkeypatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    said: list[tuple[str, float]] = []
    summary = run(
        child(
            "import json, sys, time\n"
            "print('é one', file=sys.stderr, flush=True); time.sleep(1)\n"
            "print('two', file=sys.stderr)\n"
            "print(json.dumps({'objects': 1234, 'changed_share': .0193, 'area_m2': 398120.3,"
            "'threshold': .5, 'rule': 'consensus', 'certainty': None, 'warnings': ['w']}))"
        ),
        lambda line: said.append((line, time.monotonic())),
        never,
    )
    assert [line for line, _ in said] == ["é one", "two"]
    assert said[1][1] - said[0][1] > 0.5
    assert summary is not None
    assert list(summary.lines()) == [
        "1.93% changed (39.8 ha) in 1,234 objects; threshold 0.5 (consensus)"
    ]
    assert summary.warnings == ["w"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "import sys; sys.exit('hm\\nerror: images must be: got none')",
            "images must be: got none",
        ),
        ("import os; os.kill(os.getpid(), 9)", "metriccd ended with signal 9"),
        ("import sys; sys.exit(7)", "metriccd ended with code 7"),
        ("print('Python 2')", "the command must be metriccd: got 'Python 2'"),
        ("print([1])", "the command must be metriccd"),
    ],
)
def test_how_a_command_ends_is_told_in_one_line(text: str, why: str) -> None:
    said: list[str] = []
    with pytest.raises(CommandError, match=why) as caught:
        run(child(text), said.append, never)
    assert "\n" not in str(caught.value)
    assert not any("error" in line for line in said)


def test_a_command_that_cannot_start_is_told_with_where_to_set_it(tmp_path: Path) -> None:
    broken = program(tmp_path / "metriccd", "#!/nowhere/python\n")
    with pytest.raises(CommandError, match=r"metriccd must start: .+; correct Settings, Options"):
        run([str(broken)], print, never)


ENDLESS = (
    "import signal, sys, time\n"
    "{}\n"
    "print(1, file=sys.stderr, flush=True)\n"
    "while True: time.sleep(.05)"
)


@pytest.mark.parametrize(
    "hears", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"], ids=["polite", "deaf"]
)
def test_cancel_ends_the_command_and_kills_one_that_does_not_listen(
    hears: str, monkeypatch
) -> None:
    monkeypatch.setattr(command, "PATIENCE", 0.5)
    said: list[str] = []
    assert run(child(ENDLESS.format(hears)), said.append, lambda: bool(said)) is None


def test_a_command_that_was_done_before_it_heard_of_the_cancel_is_not_lost() -> None:
    told = json.dumps({"out": "x"})
    text = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print(sys.argv[1]), sys.exit(0)))\n"
        "print(1, file=sys.stderr, flush=True); time.sleep(60)"
    )
    said: list[str] = []
    summary = run([*child(text), told], said.append, lambda: bool(said))
    assert summary is not None
    assert list(summary.lines()) == []


def test_what_is_run_sees_neither_standard_input_nor_what_is_left_of_qgis(monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    text = (
        "import json, os, sys\n"
        "print(json.dumps({'in': sys.stdin.read(), 'path': os.environ.get('PYTHONPATH')}))"
    )
    summary = run(child(text), print, never)
    assert summary is not None
    assert summary.told == {"in": "", "path": None}
