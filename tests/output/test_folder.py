"""The output folder: whole or not at all, and nothing of the user's is lost."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from folders import contents, everything, fill, result
from metriccd.errors import OutputError
from metriccd.output import RECORD, output_folder, restored, unfinished_folder
from metriccd.output.marker import MARKER
from metriccd.output.place import unfinished_path
from metriccd.output.workshop import Workshop


def test_the_folder_appears_only_when_the_block_has_ended(tmp_path: Path) -> None:
    with output_folder(tmp_path / "a/b/out") as folder:
        fill(folder)
        assert not (tmp_path / "a/b/out").exists()
    assert (tmp_path / "a/b/out" / RECORD).read_text() == "new"
    assert everything(tmp_path) == {"a", "a/b", "a/b/out", f"a/b/out/{RECORD}", "a/b/out/score.tif"}


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_fault_leaves_nothing_behind(tmp_path: Path, fault) -> None:
    def fail() -> None:
        with output_folder(tmp_path / "a/b/out") as folder:
            fill(folder)
            raise fault

    with pytest.raises(fault):
        fail()
    assert everything(tmp_path) == set()


def test_an_existing_result_stays_without_overwrite(tmp_path: Path) -> None:
    result(tmp_path / "out")
    with pytest.raises(OutputError, match="OUT must not exist"), output_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / RECORD).read_text() == "old"


def test_overwrite_replaces_a_result_whole(tmp_path: Path) -> None:
    result(tmp_path / "out")
    with output_folder(tmp_path / "out", overwrite=True) as folder:
        fill(folder)
    assert everything(tmp_path) == {"out", f"out/{RECORD}", "out/score.tif"}
    assert (tmp_path / "out" / RECORD).read_text() == "new"


def test_a_fault_during_overwrite_keeps_the_old_result(tmp_path: Path) -> None:
    result(tmp_path / "out")
    with pytest.raises(RuntimeError), output_folder(tmp_path / "out", overwrite=True):
        raise RuntimeError
    assert (tmp_path / "out" / RECORD).read_text() == "old"
    assert everything(tmp_path) == {"out", f"out/{RECORD}", "out/score.tif"}


def test_overwrite_never_replaces_what_is_not_a_result(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").touch()
    with (
        pytest.raises(OutputError, match="only a result of metriccd"),
        output_folder(tmp_path / "out", overwrite=True),
    ):
        pass
    assert (tmp_path / "out/thesis.tex").exists()


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with output_folder(tmp_path / "out") as folder:
        fill(folder)
    assert (tmp_path / "out" / RECORD).exists()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file/out"):
        with pytest.raises(OutputError), output_folder(out):
            pass
    assert everything(tmp_path) == {"file"}


def test_an_unwritable_place_is_refused() -> None:
    with (
        pytest.raises(OutputError, match="OUT must be writable"),
        output_folder(Path("/proc/metriccd/out")),
    ):
        pass


def test_overwrite_never_loses_a_file_of_the_users(tmp_path: Path) -> None:
    result(tmp_path / "out")
    (tmp_path / "out/notes.txt").touch()
    with (
        pytest.raises(OutputError, match=r"holds notes\.txt too"),
        output_folder(tmp_path / "out", overwrite=True),
    ):
        pass
    assert (tmp_path / "out/notes.txt").exists()


def test_what_appears_in_the_meantime_stays(tmp_path: Path) -> None:
    def run() -> None:
        with output_folder(tmp_path / "out") as folder:
            fill(folder)
            (tmp_path / "out").mkdir()
            (tmp_path / "out/precious.txt").touch()

    with pytest.raises(OutputError, match="OUT must not exist"):
        run()
    assert everything(tmp_path) == {"out", "out/precious.txt"}


def test_out_may_be_the_working_folder_if_it_is_empty(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with output_folder(Path()) as folder:
        fill(folder)
    assert everything(tmp_path) == {"here", f"here/{RECORD}", "here/score.tif"}
    assert Path(RECORD).read_text() == "new"


def test_a_link_to_a_folder_stays_and_the_result_goes_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk/real")
    with pytest.raises(OutputError, match="must not be a link to nothing"):
        result(tmp_path / "out")
    (tmp_path / "disk/real").mkdir()
    result(tmp_path / "out")
    with output_folder(tmp_path / "out", overwrite=True) as folder:
        fill(folder)
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk/real" / RECORD).read_text() == "new"


def test_a_result_of_an_earlier_version_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "old")
    before = contents(tmp_path)
    with (
        pytest.raises(OutputError, match=r"known by its list \.metriccd.*earlier versions"),
        output_folder(tmp_path / "out", overwrite=True),
    ):
        pass
    assert contents(tmp_path) == before


def test_what_was_edited_is_the_users(tmp_path: Path) -> None:
    result(tmp_path / "out")
    (tmp_path / "out/score.tif").write_text("odd")
    for options in ({"overwrite": True}, {"keep": True}):
        with (
            pytest.raises(OutputError, match=r"score\.tif \(changed since\)"),
            output_folder(tmp_path / "out", **options),
        ):
            pass
    assert (tmp_path / "out/score.tif").read_text() == "odd"


def test_what_becomes_the_users_in_the_meantime_stays(tmp_path: Path) -> None:
    result(tmp_path / "out")

    def run() -> None:
        with output_folder(tmp_path / "out", overwrite=True) as folder:
            fill(folder)
            (tmp_path / "out/notes.txt").write_text("mine")

    with pytest.raises(OutputError, match=r"holds notes\.txt too"):
        run()
    assert contents(tmp_path) == {
        f"out/{RECORD}": b"old",
        "out/score.tif": b"old",
        "out/notes.txt": b"mine",
    }


def test_a_decision_keeps_all_that_is_no_result(tmp_path: Path) -> None:
    with output_folder(tmp_path / "out") as folder:
        fill(folder, "old")
        (folder / "before.tif").write_text("image")
    (tmp_path / "out/notes").mkdir()
    (tmp_path / "out/notes/a.txt").write_text("mine")
    (tmp_path / "out/link").symlink_to("notes")
    with output_folder(tmp_path / "out", keep=True) as folder:
        fill(folder)
    assert contents(tmp_path) == {
        f"out/{RECORD}": b"new",
        "out/score.tif": b"new",
        "out/before.tif": b"image",
        "out/notes/a.txt": b"mine",
        "out/link": "to notes",
    }
    (tmp_path / "out/notes/a.txt").unlink()
    (tmp_path / "out/notes").rmdir()
    (tmp_path / "out/link").unlink()
    # The image, which was ours before, still is.
    with output_folder(tmp_path / "out", overwrite=True) as folder:
        fill(folder)
    assert everything(tmp_path) == {"out", f"out/{RECORD}", "out/score.tif"}


def test_the_new_folder_has_the_permissions_of_the_old_one(tmp_path: Path) -> None:
    result(tmp_path / "out").chmod(0o700)
    with output_folder(tmp_path / "out", overwrite=True) as folder:
        fill(folder)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


def interrupted(out: Path, *, after: str, monkeypatch) -> str:
    """What an interrupt says that comes at some moment of a run."""
    place = Workshop.place

    # Where tests run in the background, the shell has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def hear_and_place(shop: Workshop) -> None:
        signal.raise_signal(signal.SIGINT)
        place(shop)

    def run() -> None:
        with unfinished_folder(out) as made:
            work = made.work("key")
            if after == "nothing":
                raise KeyboardInterrupt
            (work / "fit.npz").write_bytes(b"fit")
            if after == "the fit":
                raise KeyboardInterrupt
            fill(made.folder)
            monkeypatch.setattr(Workshop, "place", hear_and_place)

    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            run()
    finally:
        signal.signal(signal.SIGINT, before)
    return str(caught.value)


def test_the_line_after_an_interrupt_says_what_is_true(tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "out"
    assert interrupted(out, after="nothing", monkeypatch=monkeypatch) == ""
    assert list(tmp_path.iterdir()) == []
    kept = interrupted(out, after="the fit", monkeypatch=monkeypatch)
    assert kept == f"what is finished is kept in {unfinished_path(out)}; the same command goes on"
    said = interrupted(out, after="all", monkeypatch=monkeypatch)
    assert said == f"the result was already in place: {out}"
    assert (out / RECORD).read_text() == "new"
    assert everything(tmp_path) == {"out", f"out/{RECORD}", "out/score.tif"}
    assert not restored(out)


def test_a_long_name_has_a_short_one_beside_it(tmp_path: Path) -> None:
    result(tmp_path / ("n" * 255))
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(OutputError, match="File name too long"):
        result(tmp_path / ("n" * 256))
    assert len(list(tmp_path.iterdir())) == 1
    assert (tmp_path / ("n" * 255) / MARKER).is_file()
