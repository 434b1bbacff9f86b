"""The place of OUT: odd ones are refused in one line, before anything is touched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from folders import contents, dies, fill, result
from metriccd.errors import OutputError
from metriccd.output import output_folder
from metriccd.output.place import unfinished_path


def test_odd_places_are_refused_in_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nothing").symlink_to("missing")
    (tmp_path / "to-file").symlink_to("file")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.bashrc").write_text("mine")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    before = contents(tmp_path)
    places = [
        *("/", "/proc", "/proc/out", "/dev/null", "file", "file/out", "loop", "nothing"),
        *("loop/out", "to-file", "a\0b", "n" * 256, "x/" * 2500 + "x", str(Path.home()), "."),
    ]
    for place in places:
        with (
            pytest.raises(OutputError, match=r"OUT must|--overwrite replaces only") as caught,
            output_folder(Path(place), overwrite=True),
        ):
            pytest.fail(f"work began in {place}")
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 600 or len(place) > 400
    assert contents(tmp_path) == before
    with pytest.raises(OutputError, match="/ is the root"):
        unfinished_path(Path("/"))


def test_names_that_only_look_odd_are_fine(tmp_path: Path) -> None:
    for name in ("a b", "ä", "-o", "%s", "n" * 255, "ä" * 127, "out.", ".out", "a\nb", "'"):
        result(tmp_path / name)
        with output_folder(tmp_path / name, overwrite=True) as folder:
            fill(folder)
    assert len(list(tmp_path.iterdir())) == 10


def test_names_beside_out_are_short_and_its_own(tmp_path: Path) -> None:
    names = ["out", "n" * 255, "n" * 254 + "m", "ä" * 127]
    beside = [unfinished_path(tmp_path / name).name for name in names]
    assert beside[0] == ".out-unfinished"
    assert len(set(beside)) == 4
    assert all(len(os.fsencode(name)) <= 143 for name in beside)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_the_place_of_a_mount_is_refused_and_inputs_are_known_through_one(tmp_path: Path) -> None:
    out, other = result(tmp_path / "out"), tmp_path / "other"
    other.mkdir()
    try:
        subprocess.run(["mount", "--bind", out, other], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("cannot mount here")
    try:
        with pytest.raises(OutputError, match="where a file system is mounted"):
            result(other)
        with (
            pytest.raises(OutputError, match="OUT must not hold the images"),
            output_folder(out, overwrite=True, inputs=[other / "score.tif"]),
        ):
            pytest.fail("work began")
    finally:
        subprocess.run(["umount", other], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="as root, to become another user")
def test_a_parent_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    result(tmp_path / "out")
    before = contents(tmp_path)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)

    def run() -> None:
        os.setuid(12345)
        for place in (tmp_path / "new", tmp_path / "out", tmp_path / "a/b"):
            try:
                with output_folder(place, overwrite=True):
                    os._exit(2)
            except OutputError as error:
                if "must be writable" not in str(error):
                    os._exit(3)

    assert not dies(run, 10_000)
    assert contents(tmp_path) == before
