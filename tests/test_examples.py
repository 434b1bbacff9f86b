"""The notebooks of `examples/` run as they stand, in an empty folder, and show what came out."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
MOST = 1_000_000  # bytes, so that GitHub shows it


def outputs(notebook: nbformat.NotebookNode) -> list[set[str]]:
    """Cell by cell: which sorts of things came out."""
    return [
        {
            sort
            for output in cell.get("outputs", [])
            for sort in (output.get("data") or {output.output_type: None})
        }
        for cell in notebook.cells
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_anywhere_and_its_file_shows_what_comes_out(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A command that ran in this process before set it, and a kernel then shows no pictures.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    stored = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert outputs(notebook) == outputs(stored)
    assert any(sort.startswith("image/") for sorts in outputs(stored) for sort in sorts)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_names_no_machine_and_was_run_from_top_to_bottom(path: Path) -> None:
    assert path.stat().st_size <= MOST
    text = path.read_text(encoding="utf-8")
    assert str(Path.home()) not in text
    assert "site-packages" not in text
    code = [cell for cell in nbformat.reads(text, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any("stderr" in str(output) for cell in code for output in cell.outputs)


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["stac-zones", "two-files"]
