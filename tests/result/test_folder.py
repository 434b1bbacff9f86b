"""The output folder: whole or not at all, and nothing of the user's is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from metriccd.errors import OutputError
from metriccd.result.folder import RECORD, output_folder, write_together


def fill(folder: Path, text: str = "new") -> None:
    (folder / RECORD).write_text(text)


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_the_folder_appears_only_when_the_block_has_ended(tmp_path: Path) -> None:
    with output_folder(tmp_path / "a/b/out") as folder:
        fill(folder)
        assert not (tmp_path / "a/b/out").exists()
    assert (tmp_path / "a/b/out" / RECORD).read_text() == "new"
    assert everything(tmp_path) == {"a", "a/b", "a/b/out", f"a/b/out/{RECORD}"}


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
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "old")
    with pytest.raises(OutputError, match="OUT must not exist"), output_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / RECORD).read_text() == "old"


def test_overwrite_replaces_a_result_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "old")
    (tmp_path / "out/score.tif").touch()
    with output_folder(tmp_path / "out", overwrite=True) as folder:
        fill(folder)
    assert everything(tmp_path) == {"out", f"out/{RECORD}"}
    assert (tmp_path / "out" / RECORD).read_text() == "new"


def test_a_fault_during_overwrite_keeps_the_old_result(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "old")
    with pytest.raises(RuntimeError), output_folder(tmp_path / "out", overwrite=True):
        raise RuntimeError
    assert (tmp_path / "out" / RECORD).read_text() == "old"
    assert everything(tmp_path) == {"out", f"out/{RECORD}"}


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


def test_files_are_added_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    write_together(tmp_path, {"a": b"1", "b": b"2"})
    assert everything(tmp_path) == {"a", "b"}
    assert (tmp_path / "a").read_bytes() == b"1"
    with pytest.raises(OutputError):
        write_together(tmp_path / "missing", {"a": b"1"})


def test_overwrite_never_loses_a_file_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "old")
    (tmp_path / "out/notes.txt").touch()
    with (
        pytest.raises(OutputError, match=r"holds notes\.txt too"),
        output_folder(tmp_path / "out", overwrite=True),
    ):
        pass
    assert (tmp_path / "out/notes.txt").exists()


def test_images_inside_out_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "old")
    (tmp_path / "out/before.tif").touch()
    inputs = [tmp_path / "out/before.tif"]
    with (
        pytest.raises(OutputError, match="OUT must not hold the images"),
        output_folder(tmp_path / "out", overwrite=True, inputs=inputs),
    ):
        pass
    assert (tmp_path / "out/before.tif").exists()


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
    assert everything(tmp_path) == {"here", f"here/{RECORD}"}
