"""The code of the how-to pages works: it is applied to a copy of the program, which is then run.

An HTML comment before a block defines the place of its code: ``<!-- code: create FILE -->``, ``append FILE``, ``before
FILE :: BEGIN OF A LINE``, or ``change FILE`` for a block of kind ``diff``, whose parts are divided by lines of three
dots. ``run by FILE`` marks code that another test runs, ``<!-- not run: reason -->`` code that cannot be run.
"""

from __future__ import annotations

import configparser
import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from iota2.chains import BUILDERS
from iota2.chains.load import load_config
from iota2.compute.expressions import expression_problems
from iota2.config.class_levels import SECTION as CLASSES
from iota2.config.class_levels import read_levels
from iota2.config.legacy import BLOCKS_WITHOUT_STEP, STEP_BLOCKS
from iota2.config.options.schema import SECTIONS
from iota2.config.s1_ini import read_s1_ini
from iota2.config.syntax.cfg import read_cfg
from iota2.core.builder import Chain
from iota2.core.graph import Resources
from iota2.errors import ConfigError
from iota2.runs.survey.survey import survey
from iota2.runs.workers.execute import Retry
from iota2.runs.workers.resources import WORKER_BLOCK, read_resources
from tests.chain.helpers import EAST, SMALL, WEST, Case, made, read
from tests.docs.helpers import ROOT, blocks, name, text_of

CHAIN = Chain(BUILDERS)


PAGES = sorted((ROOT / "docs/howto").glob("*.md"))
CODE = ("python", "diff")
_BLOCK = re.compile(
    r"(?:^<!-- (?P<word>code|not run): (?P<reason>.*?) -->\n)?^```(?P<kind>\w*)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Shown:
    """A block of code, and the comment before it."""

    kind: str
    body: str
    word: str
    reason: str


def shown(page: Path) -> list[Shown]:
    found = _BLOCK.finditer(text_of(page))
    return [Shown(block["kind"], block["body"], block["word"] or "", block["reason"] or "") for block in found]


def apply_page(page: Path, copy: Path) -> None:
    """Apply the code of a page to a copy of the program."""
    # With compiled functions, whose compilation would take a minute, but not files that another process is writing.
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("*.tmp*", "*.pyc", "*.pyc.*"))
    for block in shown(page):
        if block.word == "code":
            how, _, where = block.reason.partition(" ")
            file, _, mark = where.partition(" :: ")
            path = copy / file
            if how == "create":
                assert not path.exists(), path
                path.parent.mkdir(exist_ok=True)
                path.write_text(block.body, encoding="utf-8")
            else:
                path.write_text(edited(how, path.read_text(encoding="utf-8"), block.body, mark), encoding="utf-8")


def edited(how: str, text: str, body: str, mark: str) -> str:
    """The text of a file after the code of a block is applied."""
    if how == "append":
        return f"{text}\n\n{body}"
    if how == "before":
        assert len(re.findall(f"^{re.escape(mark)}", text, re.MULTILINE)) == 1, mark
        return re.sub(f"^{re.escape(mark)}", lambda found: f"{body}\n\n{found[0]}", text, flags=re.MULTILINE)
    assert how == "change", how
    for part in body.split("...\n"):
        lines = part.splitlines()
        assert all(line[:1] in "+- " for line in lines), part
        before = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
        assert text.count(f"\n{before}") == 1, f"lines of the page are not in the file, or more than once:\n{before}"
        text = text.replace(f"\n{before}", f"\n{after}")
    return text


def run_in_copy(copy: Path, *words: object) -> str:
    """Output of Python with the copy of the program on its path."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(copy / "src")},
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_config(copy: Path, config: Path) -> str:
    assert str(copy) in run_in_copy(copy, "-c", "import iota2; print(iota2.__file__)")
    return run_in_copy(copy, "-m", "iota2", "run", config, "--workers", 0)


def test_the_functions_of_the_page_on_external_features_compute_features(world: Case, tmp_path: Path) -> None:
    parts = [block.body for block in shown(ROOT / "docs/howto/external-features.md") if block.word == "code"]
    (tmp_path / "indices.py").write_text("\n\n".join(parts), encoding="utf-8")
    calls = ["moisture", ["growth", {"index": "NDWI"}], "senescence"]
    external = {"module": str(tmp_path / "indices.py"), "functions": calls}
    found = survey(load_config(configured(world, tmp_path, {}, external_features=external)))
    assert found.recipe.names[-2:] == ("growth_NDWI", "senescence")
    assert "sentinel2_moisture_20180317" in found.recipe.names
    assert [trial.missing for trial in found.trials] == [0.0, 0.0, 0.0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return made(SMALL, tmp_path_factory.mktemp("howto") / "world")


def configured(world: Case, folder: Path, chain: Mapping[str, object], **sections: Mapping[str, object]) -> Path:
    return world.configured(chain={"output_path": str(folder / "results"), **chain}, **sections)


# --------------------------------------------------------------------------------------------------- code blocks


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_all_code_on_the_page_is_run_or_has_a_reason_not_to_be(page: Path) -> None:
    assert [block.body for block in shown(page) if block.kind in CODE and not block.word] == []


def test_every_page_with_code_is_tested_here() -> None:
    pages = {page.name for page in PAGES if any(block.kind in CODE for block in shown(page))}
    elsewhere = {"use-from-python.md", "features-map.md"}
    what = ("a-step", "an-output", "an-index", "an-option", "a-classifier", "a-builder")
    followed = {*(f"add-{one}.md" for one in what), "external-features.md"}
    assert pages - elsewhere == followed


@pytest.mark.parametrize("what", ["a-step", "an-output", "an-index", "an-option", "a-classifier", "a-builder"])
def test_the_code_of_a_page_needs_no_formatting(tmp_path: Path, what: str) -> None:
    page = ROOT / f"docs/howto/add-{what}.md"
    apply_page(page, tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [sys.executable, "-m", "ruff", "format", "--check", "--no-cache", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    appended = {block.reason for block in shown(page) if block.reason.startswith("append ")}
    for file in (one.removeprefix("append ") for one in appended):
        assert f"t the end of `{file}`, after two blank lines:" in text_of(page)


def test_a_diff_that_does_not_match_the_code_is_detected() -> None:
    with pytest.raises(AssertionError, match="not in the file"):
        edited("change", "a\nb\n", " c\n+d\n", "")
    assert edited("change", "x\na\nb\nc\n", " a\n-b\n+d\n...\n c\n+e\n", "") == "x\na\nd\nc\ne\n"


# ------------------------------------------------------------------------------------------------- pages applied


@pytest.mark.long  # compiles a copy of the program
def test_the_page_about_steps_makes_a_step(world: Case, tmp_path: Path) -> None:
    apply_page(ROOT / "docs/howto/add-a-step.md", tmp_path)
    run_config(tmp_path, configured(world, tmp_path, {}))
    table = (tmp_path / "results/final/areas_seed_0.csv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "code,name,hectares"
    hectares = [float(line.rpartition(",")[2]) for line in table[1:]]
    pixels = np.count_nonzero(read(tmp_path / "results/final/Classif_Seed_0.tif"))
    assert sum(hectares) == pytest.approx(pixels / 100, abs=0.03), "pixels of 10 m"
    assert len(hectares) == 3


@pytest.mark.long  # compiles a copy of the program
def test_the_page_about_outputs_makes_an_output(world: Case, tmp_path: Path) -> None:
    apply_page(ROOT / "docs/howto/add-an-output.md", tmp_path)
    run_config(tmp_path, configured(world, tmp_path, {}))
    with open(tmp_path / "results/final/TMP/Classif_Seed_0_shares.csv", encoding="utf-8") as file:
        rows = [[float(share) for share in row] for row in csv.reader(file)]
    assert len(rows) == len(rows[0]) == 3
    assert all(sum(row) == pytest.approx(1, abs=0.001) or sum(row) == 0 for row in rows)


def test_the_page_about_indices_makes_an_index(world: Case, tmp_path: Path) -> None:
    apply_page(ROOT / "docs/howto/add-an-index.md", tmp_path)
    config = configured(world, tmp_path, {}, arg_train={"features": ["SAVI"]})
    script = (
        "import numpy as np\n"
        "from iota2.compute.indices import INDICES, Spectra\n"
        "values = np.array([[[1000, np.nan], [3000, 1]]], np.float32)\n"
        "out = np.zeros((1, 2), np.float32)\n"
        "INDICES['SAVI'].function(Spectra(values, {'red': 0, 'nir': 1}), out)\n"
        "print(out.tolist())"
    )
    first, second = run_in_copy(tmp_path, "-c", script).strip("[]\n").split(", ")
    assert float(first) == pytest.approx(1500 * 2000 / 9000)
    assert second == "nan"
    names = (
        "import sys; from iota2.chains.load import load_config; from iota2.runs.survey.survey import survey; "
        "print(*survey(load_config(sys.argv[1])).recipe.names)"
    )
    assert "Sentinel2_SAVI_20180317" in run_in_copy(tmp_path, "-c", names, config).split()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.long
def test_a_user_program_can_register_an_index(world: Case, tmp_path: Path) -> None:
    """The commands do not know the index, as the page says."""
    apply_page(ROOT / "docs/howto/add-an-index.md", tmp_path)
    config = configured(world, tmp_path, {}, arg_train={"features": ["DVI"]})
    for name_of_command in ("check", "plan", "status"):
        with pytest.raises(AssertionError, match=r"features: expected .*'Brightness'.*, got 'DVI'"):
            run_in_copy(tmp_path, "-m", "iota2", name_of_command, config)
    run_in_copy(tmp_path, "map_with_dvi.py", config)
    assert set(np.unique(read(tmp_path / "results/final/Classif_Seed_0.tif"))) > {0}
    learned = (tmp_path / "results/model/model_1_seed_0/model.json").read_text(encoding="utf-8")
    assert '"DVI"' in learned


@pytest.mark.slow
@pytest.mark.long
def test_the_page_about_options_makes_an_option(world: Case, tmp_path: Path) -> None:
    apply_page(ROOT / "docs/howto/add-an-option.md", tmp_path)
    envelopes = []
    for border in (0, 100):
        config = configured(world, tmp_path, {"list_tile": f"{WEST} {EAST}", "tile_border": border})
        assert "Envelope" in run_in_copy(tmp_path, "-m", "iota2", "plan", config)
        run_in_copy(tmp_path, "-m", "iota2", "run", config, "--workers", 0, "--last-step", "Envelope")
        envelopes.append((tmp_path / f"results/envelope/{WEST}.shp").read_bytes())
    assert envelopes[0] != envelopes[1]
    config = configured(world, tmp_path, {"tile_border": -1})
    with pytest.raises(AssertionError, match=r"tile_border: expected .* 0"):
        run_in_copy(tmp_path, "-m", "iota2", "check", config)


@pytest.mark.slow
def test_the_page_about_classifiers_makes_a_classifier(world: Case, tmp_path: Path) -> None:
    apply_page(ROOT / "docs/howto/add-a-classifier.md", tmp_path)
    options = {"classifier.nearestmean.scale": 500.0}
    given = {"classifier": "nearestmean", "otb_classifier_options": options}
    run_config(tmp_path, configured(world, tmp_path, {}, arg_train=given))
    assert set(np.unique(read(tmp_path / "results/final/Classif_Seed_0.tif"))) > {0}
    card = (tmp_path / "results/model/model_1_seed_0.txt").read_text(encoding="utf-8")
    assert "nearestmean" in card
    assert "500.0" in card


@pytest.mark.long  # compiles a copy of the program
@pytest.mark.parametrize(
    ("names", "workers"),
    [
        (["ClearShare"], 1),
        pytest.param(["ClearShare"], 0, marks=pytest.mark.long),
        pytest.param(["I2Classification", "ClearShare"], 0, marks=pytest.mark.long),
        pytest.param(["I2Classification", "ClearShare"], 1, marks=pytest.mark.long),
    ],
)
@pytest.mark.slow
def test_the_page_about_builders_makes_a_builder(world: Case, tmp_path: Path, names: list[str], workers: int) -> None:
    apply_page(ROOT / "docs/howto/add-a-builder.md", tmp_path)
    asked = {"builders_class_name": names, "builders_paths": [str(tmp_path / "mine")]}
    config = configured(world, tmp_path, {}, builders=asked)
    if names == ["ClearShare"]:
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
        for key in ("ground_truth", "data_field", "nomenclature_path", "color_table"):
            del content["chain"][key]
        config.write_text(yaml.safe_dump({key: content[key] for key in ("chain", "builders")}), encoding="utf-8")
    run_in_copy(tmp_path, "-m", "iota2", "run", config, "--workers", workers)
    clear, share = (
        read(tmp_path / "results" / name) for name in (f"features/{WEST}/nbView.tif", f"final/ClearShare_{WEST}.tif")
    )
    dates = len(world.products())
    np.testing.assert_array_equal(share, np.round(100 * clear / dates))
    assert (tmp_path / "results/final/Classif_Seed_0.tif").exists() == ("I2Classification" in names)
    assert (tmp_path / "results/dataAppVal").exists() == ("I2Classification" in names)
    assert "0 of" not in run_in_copy(tmp_path, "-m", "iota2", "plan", config)


# ---------------------------------------------------------------------------------------- fragments and commands


COMPLETE = next(body for body in blocks(ROOT / "docs/howto/several-sensors.md", "cfg"))


@dataclass(frozen=True)
class Fragment:
    """A block of kind ``text`` with sections of a configuration or of a resources file."""

    page: Path
    body: str
    sections: frozenset[str]


def _fragments() -> list[Fragment]:
    found = []
    for page in PAGES:
        for body in blocks(page, "text", "cfg"):
            if re.match(r"\w+ *:\s*\{", body):
                sections = frozenset(re.findall(r"^(\w+) *:\s*\{", body, re.MULTILINE))
                found.append(Fragment(page, body, sections))
    return found


FRAGMENTS = _fragments()


def test_fragments_are_found() -> None:
    assert len([fragment for fragment in FRAGMENTS if not fragment.sections <= {"chain"}]) >= 5


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda fragment: f"{name(fragment.page)}-{min(fragment.sections)}")
def test_parts_of_files_that_a_page_shows_are_read(fragment: Fragment, tmp_path: Path) -> None:
    if fragment.sections == {CLASSES}:
        path = tmp_path / "nomenclature.cfg"
        path.write_text(fragment.body, encoding="utf-8")
        assert read_levels(path).classes.codes
        return
    if not fragment.sections <= SECTIONS.keys():
        assert fragment.sections <= {WORKER_BLOCK, *CHAIN.numbers, *STEP_BLOCKS, *BLOCKS_WITHOUT_STEP}, (
            "neither a configuration, a resources file nor a nomenclature"
        )
        path = tmp_path / "resources.cfg"
        path.write_text(fragment.body, encoding="utf-8")
        assert read_resources(path, Resources(), Retry(), CHAIN.numbers).steps
        return
    given = _options(fragment.body)
    whole = {section: options | given.pop(section, {}) for section, options in _options(COMPLETE).items()} | given
    for block in shown(fragment.page):
        if block.reason.startswith("create mine/"):
            (tmp_path / "mine").mkdir(exist_ok=True)
            (tmp_path / block.reason.removeprefix("create ")).write_text(block.body, encoding="utf-8")
    path = tmp_path / "whole.yaml"
    path.write_text(yaml.safe_dump(whole, allow_unicode=True), encoding="utf-8")
    assert load_config(path, check_paths=False).chain.list_tile


def _options(body: str) -> dict[str, dict[str, object]]:
    """Sections of a block, without lines that contain three dots (omitted options)."""
    text = "\n".join(line for line in body.splitlines() if "…" not in line)
    sections = read_cfg(text, Path("page")).sections
    return {section.name: {key: node.plain() for key, node in section.options.items()} for section in sections}


INIS = [(page, body) for page in PAGES for body in blocks(page, "ini")]


@pytest.mark.parametrize(("page", "body"), INIS, ids=[name(page) for page, _ in INIS])
def test_ini_files_are_read(page: Path, body: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.ini"
    path.write_text(body, encoding="utf-8")
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(body)
    if parser.has_section("DataSource"):
        with pytest.raises(ConfigError, match="is a file of S1Tiling"):
            read_s1_ini(path)
        return
    (tmp_path / parser["Paths"]["Output"]).mkdir()
    assert read_s1_ini(path).warnings == ()


def test_shown_expressions_are_valid() -> None:
    lines = [line for page in PAGES for line in text_of(page).splitlines() if line.startswith("expression = ")]
    for line in lines:
        expressions = line.partition("=")[2].split(",")
        assert list(expression_problems([one.strip() for one in expressions], ("VV", "VH"))) == []
    assert len(lines) >= 2


def test_steps_and_groups_in_commands_exist() -> None:
    text = "\n".join(body for page in PAGES for body in blocks(page, "sh"))
    forced, groups = re.findall(r"--force (\w+)", text), re.findall(r"--(?:first|last)-step (\w+)", text)
    assert set(forced) <= set(CHAIN.numbers)
    assert set(groups) <= set(CHAIN.groups)
    assert forced
