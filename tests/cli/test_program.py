"""The program: whatever its surroundings are, one line and an exit code, and nothing left."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from metriccd.demo.synthetic import land_scene
from raster_files import write

PYTHON = shlex.quote(sys.executable)
SOURCE = str(Path(__file__).resolve().parents[2] / "src")
CHECK = "$M check in/t1.tif in/t2.tif -q"
DETECT = "$M detect in/t1.tif in/t2.tif --preset fast -q -o out"
LONG = "x" * 300
# Root passes every door; this one does not.
UNPRIVILEGED = "setpriv --bounding-set -dac_override,-dac_read_search"
# Lines that tell how far it is; and libtiff, which nobody can ask to be silent within GDAL.
STAGES = re.compile(r"[a-z]+ing .+|_tiff(Write|Seek)Proc: .+")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a pair of images in a folder of their own."""
    scene = land_scene(128, 128, seed=2)
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/t1.tif", scene.t1)
    write(tmp_path / "in/t2.tif", scene.t2)
    write(tmp_path / "in/truth.tif", scene.reference[None].astype(np.uint8))
    return tmp_path


def run(command: str, folder: Path) -> tuple[int, list[str]]:
    """Exit code, and lines on standard error but those of `STAGES`."""
    environment = os.environ | {"M": f"{PYTHON} -m metriccd", "PYTHONPATH": SOURCE}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    told = done.stderr.decode("utf-8", "strict").splitlines()
    return done.returncode, [line for line in told if not STAGES.fullmatch(line)]


# Command → exit code. All but the last ones import no torch, and are done at once.
QUICK = {
    "$M --version >/dev/full": 3,
    "$M --help >/dev/full": 3,
    "$M detect --help >&- 2>&- <&-": 0,
    "LC_ALL=C PYTHONIOENCODING=ascii $M detect --help": 0,
    "COLUMNS=1 TERM=dumb $M detect --help": 0,
    "$M detect --treshold 3 a b -o c": 2,
    f"$M {LONG * 20}": 2,
    "$M $'\\xff'": 2,
    "$M check in/t1.tif 2>/dev/full": 2,
    "mkdir d; cd d; rmdir ../d; $M check a b": 3,
    "ulimit -v 600000; $M methods": 3,
    f"$M check {LONG} in/t2.tif": 3,
    f"ln -s loop loop; {DETECT.replace('out', 'loop/out')}": 3,
    "$M methods >/dev/full": 3,
    "MPLBACKEND=nope PROJ_DATA=/nope PYTHONWARNINGS=error OMP_NUM_THREADS=abc " + CHECK: 0,
}
SLOW = {
    **{f"{DETECT} --{option} {LONG}": 3 for option in ("aoi", "zones", "mask")},
    f"{DETECT}{LONG}": 3,
    f"{DETECT.replace('-o out', '')} -o $'o\\nut'": 3,
    f"$M weights import vgg16 {LONG}.npz": 3,
    f"$M benchmark plain --root {LONG} -o out": 3,
    f"chmod 0 in; {UNPRIVILEGED} {CHECK}; r=$?; chmod 755 in; exit $r": 3,
    f"{DETECT} --json >/dev/full; r=$?; rm -r out; exit $r": 3,
    f"{{ {DETECT} --json; echo $? >rc; }} | true; r=$(cat rc); rm -r rc out; exit $r": 141,
    f"{DETECT} 2>/dev/full; r=$?; rm -r out; exit $r": 0,
    f"{DETECT} >&- 2>&- <&-; r=$?; rm -r out; exit $r": 0,
    f"{DETECT} --log-file /dev/full": 3,
    f"{DETECT} --log-file in": 3,
    f"mkfifo log; {DETECT} --log-file log; r=$?; rm log; exit $r": 3,
    f"HOME=/proc TMPDIR=/nope {DETECT}; r=$?; rm -r out; exit $r": 0,
    f"head -c 300 /dev/urandom >matplotlibrc; {DETECT}; r=$?; rm matplotlibrc; exit $r": 3,
    f"GDAL_SKIP=COG {DETECT}": 3,
    **{f"ulimit -f {blocks}; {DETECT}": 3 for blocks in (60, 100, 200, 400)},
    **{f"ulimit -v {size}000; {DETECT}": 3 for size in (100, 400, 1000, 2000)},
    f"{DETECT} --seed $(printf '9%.0s' $(seq 5000))": 2,
    f"{DETECT} --threshold nan": 2,
    f"{DETECT} --bbox nan,0,1,1": 2,
    "$M detect in/t1.tif in/t2.tif --bands 1 --kinds water-gained --dry-run -o out": 3,
}


def holds(here: Path, command: str, code: int) -> None:
    found, told = run(command, here)
    assert (found, len(told)) == (code, 0 if code in {0, 141} or "2>/" in command else 1), told
    assert all(len(line) <= 600 and "Traceback" not in line for line in told)
    assert [path.name for path in here.iterdir() if path.name != "loop"] == ["in"]


@pytest.mark.parametrize("command", QUICK)
def test_a_circumstance_is_one_line_and_a_code(here: Path, command: str) -> None:
    holds(here, command, QUICK[command])


@pytest.mark.slow
@pytest.mark.parametrize("command", SLOW)
def test_a_rarer_circumstance_is_one_line_and_a_code(here: Path, command: str) -> None:
    holds(here, command, SLOW[command])


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 200, 400, 1400])
def test_a_full_disk_is_one_line_and_leaves_nothing(here: Path, size: int) -> None:
    mount = f"mkdir d; unshare -m bash -c 'mount -t tmpfs -o size={size}k none d"
    code, told = run(f"{mount} || exit 99; {DETECT} -o d/out; r=$?; ls -A d >&2; exit $r'", here)
    if code in {1, 99}:
        pytest.skip("needs to mount")
    assert (code, len(told)) == (3, 1), told


def test_a_failing_run_says_so_in_its_log(here: Path) -> None:
    log = here / "log"
    code, told = run("$M detect in/t1.tif no.tif -q -o out --log-file log", here)
    assert code == 3
    assert log.read_text().endswith(f" {told[0]}\n")


def test_a_bug_is_code_1_and_says_how_to_report_it(here: Path) -> None:
    broken = "import sys, metriccd.cli.app as app; app.run = None; from metriccd.cli import main"
    code, told = run(f'{PYTHON} -c "{broken}; sys.exit(main())"', here)
    assert (code, len(told)) == (1, 1)
    assert "issue tracker" in told[0]
    code, told = run(f'METRICCD_TRACEBACK=1 {PYTHON} -c "{broken}; sys.exit(main())"', here)
    assert code == 1
    assert told[0].startswith("Traceback")


def test_an_interrupt_while_a_library_runs_text_as_code_is_one_line_and_a_code(here: Path) -> None:
    # As a module: Python asks itself only then whether an interrupt was heard.
    (here / "program.py").write_text(
        "import os, signal, sys, time, metriccd.cli.app as app\n"
        "from metriccd.cli import main\n"
        "text = 'os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)'\n"
        "app.run = lambda _: exec(text)\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "program"],
        cwd=here,
        env=os.environ | {"PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (130, 1), done.stderr
    assert done.stderr.startswith("interrupted")


def watches(process: int) -> bool:
    """Whether a process has a handler for SIGTERM, which `nohup` leaves as it is."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (mask,) = re.findall(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("delay", [0.0, 1.2])
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_is_one_line_also_while_libraries_load(
    here: Path, delay: float, times: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "metriccd", *shlex.split(DETECT)[1:]],
        cwd=here,
        env=os.environ | {"PYTHONPATH": SOURCE},
        stderr=subprocess.PIPE,
        text=True,
        # A shell in the background starts its jobs with SIGINT ignored; a terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,  # noqa: PLW1509
    )
    with process:
        # Before it watches for signals, Python itself ends.
        while not watches(process.pid):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(delay)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (130, 1), err
    assert err.startswith("interrupted")
    assert [path.name for path in here.iterdir()] == ["in"]
