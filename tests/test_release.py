"""What a release is made of agrees: one version, one list of dependencies, nothing as root."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

REPOSITORY = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, BUILD = PYPROJECT["project"], PYPROJECT["build-system"]
RECIPE = yaml.safe_load((REPOSITORY / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
# What conda-forge calls otherwise than PyPI.
CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def asked(name: str, bounds: str) -> tuple[str, frozenset[str]]:
    return name, frozenset(part for part in bounds.replace(" ", "").split(",") if part)


def test_the_version_is_one() -> None:
    version = PROJECT["version"]
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == RECIPE["context"]["version"] == version
    assert f"version = {{{version}}}" in (REPOSITORY / "docs/howto/cite.md").read_text()
    plugin = (REPOSITORY / "qgis/metriccd_qgis/metadata.txt").read_text(encoding="utf-8")
    assert f"\nversion={version}\n" in plugin


def test_the_recipe_asks_for_what_the_package_does() -> None:
    told = [line.partition(" ")[::2] for line in RECIPE["requirements"]["run"]]
    recipe = {asked(name, bounds) for name, bounds in told}
    parsed = [Requirement(line) for line in PROJECT["dependencies"]]
    package = {asked(CONDA.get(each.name, each.name), str(each.specifier)) for each in parsed}
    assert recipe == package | {asked("python", PROJECT["requires-python"])}
    tools = {asked(*line.partition(" ")[::2]) for line in RECIPE["requirements"]["host"]}
    for line in BUILD["requires"]:
        assert asked(Requirement(line).name, str(Requirement(line).specifier)) in tools
    (command,) = RECIPE["build"]["python"]["entry_points"]
    name, _, where = command.partition(" = ")
    assert PROJECT["scripts"] == {name: where}


def test_the_lock_holds_every_dependency_within_its_bounds() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+) \\$", lock, re.MULTILINE))
    for line in PROJECT["dependencies"]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pinned[wanted.name], prereleases=True), line


def stages(text: str) -> list[list[str]]:
    """Instructions of each stage of a Dockerfile, a line each."""
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    found: list[list[str]] = []
    for line in filter(None, lines):
        if line.startswith("FROM "):
            found.append([])
        found[-1].append(line)
    return found


def test_the_container_runs_without_root_on_what_the_lock_pins() -> None:
    build, final = stages((REPOSITORY / "Dockerfile").read_text(encoding="utf-8"))
    # Neither the latest of anything nor what is not hashed.
    assert all(re.match(r"FROM python:3\.11-slim-\w+", stage[0]) for stage in (build, final))
    assert any("--require-hashes" in line and "requirements.lock" in line for line in build)
    assert any("--no-deps /build" in line for line in build)
    after = final[[line.startswith("USER ") for line in final].index(True) :]
    assert after[0] != "USER root"
    assert not any(line.startswith(("RUN", "COPY", "ADD", "USER root")) for line in after)
    assert 'ENTRYPOINT ["metriccd"]' in after
    for line in (*build, *final):
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (REPOSITORY / source).exists()


def test_what_the_container_is_made_of_is_not_ignored() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    build, _ = stages((REPOSITORY / "Dockerfile").read_text(encoding="utf-8"))
    copied = {source for line in build if line[:5] == "COPY " for source in line.split()[1:-1]}
    assert copied == kept


def workflow(name: str) -> dict[str, Any]:
    text = (REPOSITORY / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def commands_of(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_workflows_run_what_the_makefile_knows_on_versions_that_are_allowed() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    allowed = SpecifierSet(PROJECT["requires-python"])
    for name in ("tests", "docs", "release"):
        # What a job may do is said where it needs more than to read.
        assert workflow(name)["permissions"] == {"contents": "read"}
        for job in workflow(name)["jobs"].values():
            assert "timeout-minutes" in job
            assert set(re.findall(r"make ([a-z-]+)", commands_of(job))) <= targets
            for version in job.get("strategy", {}).get("matrix", {}).get("python", ()):
                assert f"{version}.0" in allowed
    tests = workflow("tests")["jobs"]["tests"]
    assert "make test" in commands_of(tests)
    assert "make docs" in commands_of(workflow("docs")["jobs"]["site"])
    assert "--strict" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    # A version that is promised is one that is tested.
    promised = {
        line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line
    }
    assert promised <= set(tests["strategy"]["matrix"]["python"])


def test_only_the_job_that_publishes_may_and_without_a_password() -> None:
    jobs = workflow("release")["jobs"]
    assert {name for name, job in jobs.items() if "permissions" in job} == {"publish"}
    publish = jobs["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "pypi"
    assert publish["needs"] == "test"
    assert jobs["test"]["needs"] == "build"
    text = (REPOSITORY / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert "secrets." not in text


def test_the_repository_and_the_site_have_one_address() -> None:
    home, site = PROJECT["urls"]["Repository"], PROJECT["urls"]["Documentation"]
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["repository-code"], citation["url"]) == (home, site)
    assert (RECIPE["about"]["homepage"], RECIPE["about"]["documentation"]) == (home, site)
    assert f"site_url: {site}\n" in (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    for name in ("SECURITY.md", "docs/security.md", ".github/ISSUE_TEMPLATE/config.yml"):
        assert f"{home}/security/advisories/new" in (REPOSITORY / name).read_text(encoding="utf-8")
    plugin = (REPOSITORY / "qgis/metriccd_qgis/metadata.txt").read_text(encoding="utf-8")
    assert f"\nrepository={home}\n" in plugin


@pytest.mark.parametrize(
    "name", ["CITATION.cff", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md"]
)
def test_what_people_look_for_first_is_there(name: str) -> None:
    assert (REPOSITORY / name).stat().st_size > 100
