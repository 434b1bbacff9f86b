"""What is kept of a series: where it is not ours, it is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from metriccd.errors import BusyError, OutputError
from metriccd.output import Marker, unfinished_folder
from metriccd.series.kept import kept_pairs, link, pairs_kept, pairs_path


def pair(folder: Path, name: str) -> None:
    """A result of a pair, and its key."""
    (folder / name).mkdir()
    (folder / name / "run.json").write_text("{}")
    Marker.of(folder / name).write(folder / name)
    (folder / f"{name}.key").write_text("0" * 64)


def test_a_folder_of_that_name_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    pairs_path(out).mkdir()
    (pairs_path(out) / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="must be metriccd's"), kept_pairs(out):
        pass
    assert (pairs_path(out) / "notes.txt").read_text() == "mine"
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "other"
    pairs_path(other).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="must be metriccd's"), kept_pairs(other):
        pass


def test_it_goes_when_all_is_done_and_stays_when_something_was_finished(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with kept_pairs(out) as folder:
        pair(folder, "1_2")
    assert not folder.exists()

    def fail(error: type[BaseException], *names: str) -> None:
        with kept_pairs(out) as folder:
            for name in names:
                pair(folder, name)
            raise error

    with pytest.raises(ValueError, match=r"^$"):
        fail(ValueError)
    assert not folder.exists()
    with pytest.raises(ValueError, match=r"^$"):
        fail(ValueError, "1_2")
    assert pairs_kept(out) == 1
    with pytest.raises(
        KeyboardInterrupt, match=r"2 pairs are kept in .*; the same command goes on"
    ):
        fail(KeyboardInterrupt, "2_3")


def test_what_somebody_put_there_stays_and_is_named_before_work(tmp_path: Path) -> None:
    with kept_pairs(tmp_path / "out") as folder:
        for name in ("1_2", "2_3"):
            pair(folder, name)
        mine = [folder / name for name in ("1_2/notes.txt", "notes.txt", "my.key")]
        for path in mine:
            path.write_text("mine")
    assert not (folder / "2_3").exists()
    with (
        pytest.raises(
            OutputError, match=r"holds 1_2 \(changed since\), my\.key, notes\.txt too; move it"
        ),
        kept_pairs(tmp_path / "out"),
    ):
        pass
    assert all(path.read_text() == "mine" for path in mine)
    for path in mine:
        path.unlink()
    with kept_pairs(tmp_path / "out"):
        pass
    assert not folder.exists()


def test_what_is_kept_of_pairs_that_nobody_wants_any_more_goes(tmp_path: Path) -> None:
    def end(folder: Path) -> None:
        with unfinished_folder(folder / "2_9") as unfinished:
            (unfinished.work("key") / "fit.npz").touch()
            raise KeyboardInterrupt

    with kept_pairs(tmp_path / "out") as folder:
        pair(folder, "1_2")
        with pytest.raises(KeyboardInterrupt, match="is kept"):
            end(folder)
    assert not folder.exists()


def test_what_another_process_has_just_finished_stays(tmp_path: Path) -> None:
    with kept_pairs(tmp_path / "out") as folder:
        pair(folder, "1_2")
        (folder / "1_2.key").unlink()
        with pytest.raises(BusyError), kept_pairs(tmp_path / "out"):
            raise BusyError
        assert (folder / "1_2/run.json").exists()


def test_a_second_name_takes_no_room_and_outlives_the_first(tmp_path: Path) -> None:
    pair(tmp_path, "1_2")
    link(tmp_path / "1_2", tmp_path / "copy")
    one, other = (tmp_path / name / "run.json" for name in ("1_2", "copy"))
    assert one.samefile(other)
    one.unlink()
    assert other.read_text() == "{}"


def test_what_a_kill_left_half_linked_or_just_made_is_gone_on_with(tmp_path: Path) -> None:
    pair(tmp_path, "1_2")
    (tmp_path / ".copy-linked").mkdir()
    (tmp_path / ".copy-linked/run.json").write_text("half")
    link(tmp_path / "1_2", tmp_path / "copy")
    assert (tmp_path / "copy/run.json").read_text() == "{}"
    assert not (tmp_path / ".copy-linked").exists()
    pairs_path(tmp_path / "out").mkdir()
    with kept_pairs(tmp_path / "out") as folder:
        assert folder.is_dir()
