"""The pages: what they name is there, what they tell to type is understood, nothing is fetched."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import metriccd

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
# Pages of the repository that tell to type something, too.
BESIDE = [
    REPOSITORY / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CODE_OF_CONDUCT.md",
        "SECURITY.md",
        "qgis/README.md",
    )
]
# Decisions are records: what they name may be gone since.
LIVING = [page for page in (*PAGES, *BESIDE) if page.parent.name != "decisions"]
FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
WIDTH = 99
BRITISH = re.compile(r"\b\w*(?:colour|neighbour|grey|metre|centre|licence|analyse)\w*\b", re.I)


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", text)


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """What MkDocs calls; it needs nothing of MkDocs."""
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def commands(hooks: ModuleType) -> dict[str, Any]:
    return dict(hooks.walk())


def test_the_navigation_names_every_page_once() -> None:
    nav = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    entries = re.findall(r"([\w/.-]+\.md)$", nav, re.MULTILINE)
    assert sorted(entries) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


def anchors(page: Path) -> set[str]:
    """The ids that MkDocs, as GitHub, gives to the headings of a page."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE):
        plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
        found.add(re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower()))
    return found


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=named)
def test_every_link_within_the_house_resolves(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text(encoding="utf-8"))):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if re.match(r"\w+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def typed(text: str) -> Iterator[list[str]]:
    """Command lines of the blocks of a page, as the shell would split them."""
    for language, block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if language in {"", "bash"} and line.startswith("metriccd "):
                yield shlex.split(line, comments=True)


@pytest.mark.parametrize("page", LIVING, ids=named)
def test_every_command_line_is_understood(page: Path, commands: dict[str, Any]) -> None:
    for words in typed(page.read_text(encoding="utf-8")):
        size = 3 if words[1] == "weights" else 2
        name = " ".join(words[:size])
        assert name in commands, words
        # Raises what the shell would print.
        commands[name].make_context(name, words[size:])


@pytest.mark.parametrize("page", LIVING, ids=named)
def test_every_command_within_a_sentence_has_its_options(
    page: Path, commands: dict[str, Any]
) -> None:
    text = " ".join(prose(page.read_text(encoding="utf-8")).split())
    for name, rest in re.findall(r"`(metriccd (?:weights )?[a-z]+)\b([^`]*)`", text):
        assert name in commands, name
        known = {option for each in commands[name].params for option in each.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z][\w-]*", rest)) <= known, (name, rest)


@pytest.mark.parametrize("page", LIVING, ids=named)
def test_python_on_the_pages_names_what_there_is(page: Path) -> None:
    for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(block)):
            if not (isinstance(node, ast.Attribute) and ast.unparse(node.value) == "mcd"):
                continue
            assert node.attr in metriccd.__all__
        for call in (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)):
            if re.fullmatch(r"mcd\.[a-z_]+", ast.unparse(call.func)):
                function = getattr(metriccd, ast.unparse(call.func).removeprefix("mcd."))
                inspect.signature(function).bind(
                    *call.args, **{str(each.arg): each.value for each in call.keywords}
                )


def test_the_equations_are_where_the_page_says() -> None:
    text = (DOCS / "explanation" / "equations.md").read_text(encoding="utf-8")
    names = re.findall(r"`((?:pair|paper|nets|methods|benchmark)\.[\w.]+)`", text)
    assert len(names) > 10
    for name in names:
        module, _, attribute = f"metriccd.{name}".rpartition(".")
        found = importlib.import_module(module)
        if not hasattr(found, attribute):
            importlib.import_module(f"{module}.{attribute}")


@pytest.mark.parametrize("page", LIVING, ids=named)
def test_scripts_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [
        name
        for name in re.findall(r"\b(?:benchmarks|training|tests)/[\w/]+\.(?:py|toml)", text)
        if not (REPOSITORY / name).is_file()
    ]
    assert not missing


def test_the_page_of_commands_has_every_option(hooks: ModuleType, commands: dict[str, Any]) -> None:
    sections = re.split(r"^## ", hooks.commands(), flags=re.MULTILINE)
    told = {section.partition("\n")[0]: section for section in sections}
    for name, command in commands.items():
        options = {option for each in command.params for option in each.opts if option[0] == "-"}
        assert options <= set(re.findall(r"-[\w-]+", told[name])), name


def test_the_page_of_methods_has_every_method_preset_and_rule(hooks: ModuleType) -> None:
    from metriccd.decision import THRESHOLDS
    from metriccd.methods import METHODS, PRESETS

    page = (DOCS / "reference" / "methods.md").read_text(encoding="utf-8")
    text = hooks.on_page_markdown(page)
    assert {*METHODS, *PRESETS, *THRESHOLDS} <= set(re.findall(r"^\| `(\w+)` \|", text, re.M))


def test_the_page_of_data_sets_has_every_layout(hooks: ModuleType) -> None:
    from metriccd.benchmark.datasets import DATASETS

    page = (DOCS / "reference" / "datasets.md").read_text(encoding="utf-8")
    found = re.findall(r"^### `(\w+)`\n\n(.+)\n\n", hooks.on_page_markdown(page), re.MULTILINE)
    assert [name for name, about in found if about] == list(DATASETS)


def test_every_marker_is_filled(hooks: ModuleType) -> None:
    marked = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
    texts = [hooks.FILLED.sub("", text) for text in marked.values()]
    used = {marker for text in texts for marker in re.findall(r"<!-- .+? -->", text)}
    assert used == set(hooks.GENERATED)
    for name, text in marked.items():
        assert "<!--" not in hooks.on_page_markdown(text), name


def test_pages_that_commands_name_are_linked_on_the_site(hooks: ModuleType) -> None:
    class Page:
        class file:  # noqa: N801  # as MkDocs has it
            src_uri = "reference/commands.md"

    text = hooks.commands()
    named_pages = re.findall(r"docs/([\w-]+)\.md", text)
    assert named_pages
    assert all((DOCS / f"{name}.md").is_file() for name in named_pages)
    linked = hooks.on_page_content(text, Page)
    assert "docs/" not in linked
    assert f'<a href="../{named_pages[0]}.html">{named_pages[0]}</a>' in linked


def test_no_page_loads_from_another_host(hooks: ModuleType) -> None:
    class Page:
        class file:  # noqa: N801  # as MkDocs has it
            src_uri = "page.md"

    settings = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in settings
    for page in PAGES:
        text = hooks.on_page_markdown(page.read_text(encoding="utf-8"))
        assert not re.search(r"!\[[^]]*\]\(\w+:|```mermaid|<(?:script|img|iframe)\b", text), page
    hooks.on_post_page('<a href="https://example.org">people may follow</a>', Page)
    for tag in (
        '<script src="https://example.org/a.js"></script>',
        '<link rel="stylesheet" href="https://example.org/a.css">',
        '<img alt="" src=http://example.org/a.png>',
    ):
        with pytest.raises(ValueError, match=r"page\.md loads from another host"):
            hooks.on_post_page(tag, Page)


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=named)
def test_lines_are_short_but_for_tables_and_what_programs_print(page: Path) -> None:
    text = re.sub(r"^```text\n.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    long = [line for line in text.splitlines() if len(line) > WIDTH and line[0] != "|"]
    assert not long


@pytest.mark.parametrize("page", LIVING, ids=named)
def test_spelling_is_american(page: Path) -> None:
    assert not BRITISH.findall(page.read_text(encoding="utf-8"))


def test_pictures_are_small_and_used() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (*PAGES, *BESIDE))
    for picture in (DOCS / "pictures").iterdir():
        assert picture.stat().st_size <= 150_000, picture.name
        assert f"pictures/{picture.name}" in text, picture.name
