"""Links, configurations, commands, code paths and generated pages of the documentation are correct."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from iota2 import cli
from iota2.chains import BUILDERS
from iota2.chains.load import load_config
from iota2.config import legacy
from iota2.config.options.schema import SECTIONS
from iota2.io.archive.specs import parse_spec
from iota2.options import keys
from tests.docs.helpers import PAGES, ROOT, blocks, name, prose, text_of

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FILES_TO_CREATE = {
    "src/iota2/classifiers/nearest_mean.py",
    "src/iota2/steps/products/class_areas.py",
    "mine/clear_share.py",
    "external_code/spectral_indices.py",
}
"""Files that the how-to pages and the demo create."""
PACKAGES = sorted(path.name for path in (ROOT / "src/iota2").iterdir() if path.is_dir())
CONFIGURATIONS = [(page, kind, body) for page in PAGES for kind in ("cfg", "yaml") for body in blocks(page, kind)]
SPECIFICATIONS = [
    (page, body) for page, kind, body in CONFIGURATIONS if kind == "yaml" and "product" in yaml.safe_load(body)
]
COMPLETE = [item for item in CONFIGURATIONS if (item[0], item[2]) not in SPECIFICATIONS]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them, and explicit ones (``<a id="...">``)."""
    titles = re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE)
    explicit = set(re.findall(r'<a id="([\w-]+)"></a>', prose(page)))
    return explicit | {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_have_existing_targets(page: Path) -> None:
    lost = []
    for link in LINK.findall(prose(page)):
        target, _, anchor = link.partition("#")
        if target.startswith("http"):
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            lost.append(link)
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_files_of_the_code_exist(page: Path) -> None:
    named = {word for word in CODE.findall(prose(page)) if re.fullmatch(r"[\w/]+\.(py|yaml)", word) and "/" in word}
    places = (ROOT, ROOT / "src/iota2")
    assert {word for word in named - FILES_TO_CREATE if not any((place / word).exists() for place in places)} == set()


@pytest.mark.parametrize(("page", "kind", "body"), COMPLETE, ids=[f"{name(p)}-{k}" for p, k, _ in COMPLETE])
def test_configurations_load(page: Path, kind: str, body: str, tmp_path: Path) -> None:
    path = tmp_path / f"shown.{kind}"
    path.write_text(body, encoding="utf-8")
    assert load_config(path, check_paths=False).chain.list_tile


@pytest.mark.parametrize(("page", "body"), SPECIFICATIONS, ids=[name(p) for p, _ in SPECIFICATIONS])
def test_sensor_descriptions_are_read(page: Path, body: str) -> None:
    assert parse_spec(body, source=name(page)).bands


def test_the_pages_show_configurations_and_a_sensor() -> None:
    assert {kind for _, kind, _ in COMPLETE} == {"cfg", "yaml"}
    assert len(SPECIFICATIONS) >= 2


def _commands(page: Path) -> list[list[str]]:
    """Words of every iota2 command: lines of shell blocks, and code in the text."""
    lines = [line for body in blocks(page, "sh") for line in body.splitlines()] + CODE.findall(prose(page))
    words = [shlex.split(line, comments=True) for line in lines if re.match(r"(iota2|Iota2\.py)( |$)", line)]
    return [line for line in words if len(line) > 1]


def test_shown_commands_exist() -> None:
    known = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    shown = [(name(page), words) for page in PAGES for words in _commands(page)]
    wrong = []
    for page, words in shown:
        options = {word for word in words if word.startswith("-")}
        if words[0] == "Iota2.py":
            accepted = _legacy_options()
        elif words[1].strip(",").rstrip() in known:
            accepted = {option for parameter in known[words[1]].params for option in parameter.opts}
        else:
            wrong.append((page, words))
            continue
        wrong += [(page, words)] if options - accepted else []
    assert len(shown) > 10
    assert wrong == []


def _legacy_options() -> set[str]:
    """Options in the help of ``Iota2.py``, as the reference page shows it."""
    return set(re.findall(r"^  (-\w+)", text_of(ROOT / "docs/reference/commands.md"), re.MULTILINE))


def test_named_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = {word for page in PAGES for word in re.findall(r"`make (\w+)`|^make (\w+)", text_of(page), re.MULTILINE)}
    assert {word for pair in named for word in pair if word} <= targets


def test_the_layers_shown_are_those_that_are_checked() -> None:
    contracts = text_of(ROOT / "pyproject.toml")
    layers = re.findall(r'"([^"]+)"', re.search(r"layers = \[(.*?)\]", contracts, re.DOTALL)[1])  # type: ignore[index]
    assert "\n".join(layers) + "\n" in blocks(ROOT / "docs/design.md", "text")


def test_the_packages_shown_are_those_that_exist() -> None:
    tree = next(body for body in blocks(ROOT / "docs/design.md", "text") if body.startswith("src/iota2/"))
    shown = set(re.findall(r"^  (\w+)/", tree, re.MULTILINE))
    assert shown == {package for package in PACKAGES if not package.startswith("_")}


def test_generated_pages_are_current_and_an_outdated_page_is_detected(tmp_path: Path) -> None:
    docs = shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("img"))
    (docs / "reference/options.md").write_text("old", encoding="utf-8")
    command = [sys.executable, str(docs / "generate.py")]
    done = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert "options.md is out of date" in line
    subprocess.run(command, check=True, capture_output=True)
    assert (docs / "reference/options.md").read_text("utf-8") == (ROOT / "docs/reference/options.md").read_text("utf-8")


def test_the_options_page_names_every_option_and_legacy_name() -> None:
    page = (ROOT / "docs/reference/options.md").read_text(encoding="utf-8")
    for section, cls in SECTIONS.items():
        inside = page.split(f" {section}\n", 1)[1].split("\n## ", 1)[0]
        assert all(f"\n| `{key}` |" in inside for key in keys(cls)), section
    aliases = [alias for builder in BUILDERS for alias in builder.aliases]
    unused = [name for names in legacy.WITHOUT_EFFECT.values() for name in names]
    for old in [*legacy.OPTIONS, *legacy.SECTIONS, *aliases, *unused, *legacy.SENSORS_WITHOUT_EFFECT]:
        assert f"`{old}`" in page


def test_the_picture_is_small() -> None:
    assert (ROOT / "docs/img/demo.png").stat().st_size < 400_000


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_contain_no_paths_of_one_machine(page: Path) -> None:
    assert re.findall(r"(?<![\w}*])/(?:work|tmp|home|root)/", text_of(page)) == []
