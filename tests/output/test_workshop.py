"""The workshop: ours by its marker only, one process's at a time, and whole after any kill."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from folders import contents, dies, everything, fill, result
from metriccd.errors import OutputError
from metriccd.output import RECORD, discard, output_folder, restored, unfinished_folder
from metriccd.output.marker import Marker
from metriccd.output.place import unfinished_path

OUT = {f"out/{RECORD}", "out/score.tif"}


def is_whole(out: Path) -> bool:
    """Whether all of a result is of one run."""
    texts = {(out / name).read_text() for name in (RECORD, "score.tif")}
    marker = Marker.read(out)
    return len(texts) == 1 and marker is not None and not marker.foreign(out)


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_kill_at_any_call_of_an_overwrite_leaves_a_whole_result(
    tmp_path: Path, exchanges: bool
) -> None:
    out = tmp_path / "out"

    def replace() -> None:
        with unfinished_folder(out, overwrite=True) as made:
            (made.work("key") / "fit.npz").write_text("0\n")
            fill(made.folder)

    found = set()
    for at in range(200):
        result(out)
        killed = dies(replace, at, exchanges=exchanges)
        if exchanges:
            assert is_whole(out), at
        came_back = not out.exists()
        assert restored(out) == came_back
        assert is_whole(out), at
        found.add(((out / RECORD).read_text(), came_back))
        replace()
        assert everything(tmp_path) == {"out", *OUT}, at
        assert (out / RECORD).read_text() == "new"
        shutil.rmtree(out)
        if not killed:
            break
    assert 15 < at < 199
    assert found == {("old", False), ("new", False)} | (set() if exchanges else {("old", True)})


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_kill_at_any_call_of_a_decision_keeps_what_is_the_users(
    tmp_path: Path, exchanges: bool
) -> None:
    out = tmp_path / "out"

    def replace() -> None:
        with output_folder(out, keep=True) as folder:
            fill(folder)

    for at in range(200):
        with output_folder(out) as folder:
            fill(folder, "old")
            (folder / "before.tif").write_text("image")
        (out / "notes").mkdir()
        (out / "notes/a.txt").write_text("mine")
        killed = dies(replace, at, exchanges=exchanges)
        replace()
        assert contents(tmp_path) == {
            **{f"out/{name}": b"new" for name in (RECORD, "score.tif")},
            "out/before.tif": b"image",
            "out/notes/a.txt": b"mine",
        }, at
        shutil.rmtree(out)
        if not killed:
            break
    assert 15 < at < 199


def foreign_link(place: Path, elsewhere: Path) -> None:
    place.symlink_to(elsewhere)


def foreign_file(place: Path, _elsewhere: Path) -> None:
    place.write_text("mine")


def foreign_folder(place: Path, _elsewhere: Path) -> None:
    place.mkdir()
    (place / "finished").write_text("mine")


def foreign_marker(place: Path, _elsewhere: Path) -> None:
    place.mkdir()
    (place / ".metriccd").write_text("mine")


def of_ours(place: Path, what: str) -> Path:
    """A folder that is marked, with something in it."""
    (place / what).parent.mkdir(parents=True)
    (place / ".metriccd").write_text('{"metriccd": "unfinished"}')
    return place / what


def foreign_in_ours(place: Path, _elsewhere: Path) -> None:
    of_ours(place, "thesis.tex").write_text("mine")


def foreign_in_result(place: Path, _elsewhere: Path) -> None:
    of_ours(place, "result/thesis.tex").write_text("mine")


def foreign_in_work(place: Path, _elsewhere: Path) -> None:
    of_ours(place, "work/thesis.tex").write_text("mine")


def linked_result(place: Path, elsewhere: Path) -> None:
    of_ours(place, "result").symlink_to(elsewhere)


def linked_work(place: Path, elsewhere: Path) -> None:
    of_ours(place, "work").symlink_to(elsewhere)


def link_in_work(place: Path, elsewhere: Path) -> None:
    of_ours(place, "work/distance.f32").symlink_to(elsewhere / "score.tif")


@pytest.mark.parametrize(
    "put",
    [
        *(foreign_link, foreign_file, foreign_folder, foreign_marker, foreign_in_ours),
        *(foreign_in_result, foreign_in_work, linked_result, linked_work, link_in_work),
    ],
)
def test_what_is_not_ours_beside_out_is_neither_followed_nor_removed(
    tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    fill(elsewhere, "mine")
    put(unfinished_path(out), elsewhere)
    before = contents(tmp_path)

    def run() -> None:
        with unfinished_folder(out) as made:
            made.work("key")
            fill(made.folder)

    with pytest.raises(
        OutputError, match=r"\.out-unfinished is not|/(work|result) is not"
    ) as caught:
        run()
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before


def file_beside_tiles(work: Path, _elsewhere: Path) -> None:
    (work / "distance/thesis.tex").write_text("mine")


def linked_layer(work: Path, elsewhere: Path) -> None:
    (work / "lean").symlink_to(elsewhere)


def linked_note(work: Path, elsewhere: Path) -> None:
    (work / "seen t1 zeros").symlink_to(elsewhere / "score.tif")


def linked_draft(work: Path, elsewhere: Path) -> None:
    (work / "drafts/score.tif").symlink_to(elsewhere / "score.tif")


def file_beside_drafts(work: Path, _elsewhere: Path) -> None:
    (work / "drafts/notes.tif").write_text("mine")


@pytest.mark.parametrize(
    "put", [file_beside_tiles, linked_layer, linked_note, linked_draft, file_beside_drafts]
)
@pytest.mark.parametrize("key", ["key", "other"])
def test_what_is_not_ours_is_found_before_kept_files_are_gone_on_with_or_removed(
    tmp_path: Path, put: Callable[[Path, Path], None], key: str
) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    fill(elsewhere, "mine")
    work = of_ours(unfinished_path(out), "work")
    for name in ("key", "fit.npz", "distance/0.f32", "drafts/change.tif"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("key")
    put(work, elsewhere)
    before = contents(tmp_path)
    with (
        pytest.raises(OutputError, match=r"/work is not, it holds"),
        unfinished_folder(out) as made,
    ):
        made.work(key)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("key", ["key", "other"])
def test_what_a_kill_left_of_any_intermediate_file_goes(tmp_path: Path, key: str) -> None:
    out = tmp_path / "out"
    work = of_ours(unfinished_path(out), "work")
    for name in (
        *("key", "fit.npz", ".fit.npz-x1_y", "seen t1 zeros", "distance/0.f32"),
        *("distance/.1.f32-ab_c", "drafts/score.tif", "drafts/.draft-a_1/change.tif"),
        "drafts/.draft-b2/.cog-c3/tiled.tif",
    ):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("key")
    with unfinished_folder(out) as made:
        assert (made.work(key) / "fit.npz").exists() == (key == "key")
        fill(made.folder)
    assert everything(tmp_path) == OUT | {"out"}


def test_a_kill_while_kept_files_are_removed_leaves_none_to_go_on_with(tmp_path: Path) -> None:
    out, names = tmp_path / "out", {"fit.npz", "distance/0.f32", "kind/0.f32", "overview-6/0.f32"}
    for at in range(200):
        with unfinished_folder(out) as made:
            work = made.work("key")
            for name in names:
                (work / name).parent.mkdir(exist_ok=True)
                (work / name).write_text("tile")
            made.pause()
        killed = dies(lambda: discard(out), at)
        with unfinished_folder(out) as made:
            left = everything(made.work("key")) & names
            assert left in (set(), names), at
            made.pause()
        discard(out)
        assert not everything(tmp_path), at
        if not killed:
            break
    assert 10 < at < 199


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of others")
def test_folders_of_another_user_are_left_alone(tmp_path: Path) -> None:
    out = result(tmp_path / "out")
    os.chown(out, 12345, 12345)
    with (
        pytest.raises(OutputError, match="belongs to another user"),
        output_folder(out, overwrite=True),
    ):
        pass
    of_ours(unfinished_path(tmp_path / "other"), "work/finished").write_text("0\n")
    os.chown(unfinished_path(tmp_path / "other"), 12345, 12345)
    with pytest.raises(OutputError, match="belongs to another user"):
        result(tmp_path / "other")
    assert (unfinished_path(tmp_path / "other") / "work/finished").exists()


def start_together(out: Path, number: int) -> list[str]:
    """What each of some processes says that begin to write one OUT at the same time."""
    go, say, end = os.pipe(), os.pipe(), os.pipe()
    processes = []
    for _ in range(number):
        process = os.fork()
        if not process:
            os.close(go[1])
            os.close(end[1])
            os.read(go[0], 1)
            try:
                with output_folder(out) as folder:
                    fill(folder)
                    # Until all others were refused.
                    os.read(end[0], 1)
                line = "made"
            except OutputError as error:
                line = str(error)
            os.write(say[1], f"{line}\n".encode())
            os._exit(0)
        processes.append(process)
    os.close(go[1])
    os.close(say[1])
    with os.fdopen(say[0]) as stream:
        said = [stream.readline() for _ in range(number - 1)]
        os.close(end[1])
        said.append(stream.readline())
    for process in processes:
        os.waitpid(process, 0)
    for each in (go[0], end[0]):
        os.close(each)
    return sorted(line.strip() for line in said)


def test_of_processes_that_start_together_one_works(tmp_path: Path) -> None:
    for _ in range(5):
        *refused, made = start_together(tmp_path / "out", 4)
        assert made == "made"
        assert all("OUT must not be in the making" in line for line in refused)
        assert everything(tmp_path) == {"out", *OUT}
        shutil.rmtree(tmp_path / "out")


def test_one_process_has_it_once(tmp_path: Path) -> None:
    with output_folder(tmp_path / "out") as folder:
        fill(folder)
        with pytest.raises(OutputError, match=f"process {os.getpid()} writes"):
            result(tmp_path / "out")
    assert is_whole(tmp_path / "out")
