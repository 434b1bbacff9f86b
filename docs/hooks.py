"""What the site adds to the pages when it is built: tables that come from the code itself.

A page holds a marker, `<!-- commands -->`, and its table takes the marker's place, so that none can
go stale. Pages that lie beside `docs/` are read in the same way. A built page that would load
anything from another host stops the build.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import typer

from metriccd.benchmark.datasets import DATASETS
from metriccd.cli.app import app
from metriccd.methods import about_methods, about_presets, about_rules

REPOSITORY = Path(__file__).resolve().parents[1]
# What a browser fetches by itself: anchors are followed by people only.
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*\b(?:src|srcset|data)="?https?:"""
    r"""|<link\b(?=[^>]*\brel="?(?:stylesheet|preload|preconnect|icon))[^>]*\bhref="?https?:""",
    re.IGNORECASE,
)

# A page as the program names it, in `--help` and in docstrings.
NAMED = re.compile(r"(?<![\w/])docs/([\w-]+)\.md\b")

# Around what `make reproduce` fills in.
FILLED = re.compile(r"<!-- (?:table[\w-]+|end) -->\n")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts tables where their markers are, and a table where GitHub draws a flow chart."""
    for marker, made in GENERATED.items():
        if marker in markdown:
            markdown = markdown.replace(marker, made())
    markdown = FILLED.sub("", markdown)
    return re.sub(r"```mermaid\n(.+?)```\n", _arrows, markdown, flags=re.DOTALL)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Links the pages that commands and docstrings name."""
    if not page.file.src_uri.startswith("reference/"):
        return html
    return NAMED.sub(r'<a href="../\1.html">\1</a>', html)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuses a page that loads anything from another host."""
    if found := LOADED.search(output):
        raise ValueError(f"{page.file.src_uri} loads from another host: {found.group()}")
    return output


def commands() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    return "\n\n".join(_command(name, command) for name, command in walk())


def walk() -> Iterator[tuple[str, Any]]:
    """Every command that does something, by what is typed."""
    for name, command in typer.main.get_command(app).commands.items():
        for below, each in getattr(command, "commands", {"": command}).items():
            yield f"metriccd {name} {below}".strip(), each


def _command(name: str, command: Any) -> str:
    context = command.context_class(command, info_name=name)
    example = (command.epilog or "").removeprefix("Example: ")
    rows = [
        {"option": f"`{option}`", "what": text}
        for parameter in command.params
        if (record := parameter.get_help_record(context))
        for option, text in [record]
    ]
    parts = [f"## {name}", command.help, f"```\n{example}\n```", table(rows)]
    return "\n\n".join(part for part in parts if part)


def table(rows: list[dict[str, Any]]) -> str:
    """Rows of equal keys as a table of Markdown."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: Any) -> str:
    # Outside of code a bar would end the cell, and a tag vanish.
    text = str(value)
    return text if text.startswith("`") else text.replace("|", r"\|").replace("<", "&lt;")


def _named(rows: list[dict[str, Any]]) -> str:
    first = next(iter(rows[0]))
    return table([row | {first: f"`{row[first]}`"} for row in rows])


def datasets() -> str:
    """Every layout of data sets, as its reader tells."""
    parts = []
    for name, reader in DATASETS.items():
        text = inspect.cleandoc(reader.__doc__ or "")
        about, *sections = re.split(r"\n(?=(?:Args|Returns|Raises):)", text)
        told = {head: " ".join(body.split()) for head, body in (s.split(":", 1) for s in sections)}
        root = told.get("Args", "").partition("root: ")[2].partition(" bands: ")[0]
        parts += [f"### `{name}`", about.strip(), f"Folder: {root.removeprefix('Folder of ')}"]
        parts += [f"Pairs: {told['Returns']}"] if "Returns" in told else []
    return "\n\n".join(parts)


def included(name: str) -> str:
    """A page that lies beside `docs/`, its links seen from within."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/decisions\)", "](decisions/001-rooms.md)", text)
    for file, page in PAGES.items():
        text = text.replace(f"]({file})", f"]({page})")
    return text.replace("](docs/", "](")


def _arrows(chart: re.Match[str]) -> str:
    # Drawing it takes a script of three megabytes, which the theme fetches from another host.
    below: dict[str, list[str]] = {}
    for room, other in re.findall(r"(\w+) --> (\w+)", chart.group(1)):
        below.setdefault(room, []).append(other)
    rows = [
        {"room": f"`{room}`", "imports from": ", ".join(f"`{other}`" for other in others)}
        for room, others in below.items()
    ]
    return table(rows) + "\n"


# Files of the repository that are pages of the site, too.
PAGES: Mapping[str, str] = {
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "CHANGELOG.md": "changes.md",
}
GENERATED: Mapping[str, Callable[[], str]] = {
    "<!-- commands -->": commands,
    "<!-- methods -->": lambda: _named(about_methods()),
    "<!-- presets -->": lambda: _named(about_presets()),
    "<!-- rules -->": lambda: _named(about_rules()),
    "<!-- datasets -->": datasets,
} | {f"<!-- {name} -->": partial(included, name) for name in PAGES}
