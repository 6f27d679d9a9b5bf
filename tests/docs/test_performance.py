"""The page on speed shows the measured figures, with a description of the machine."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.figures import LATEST, Figure, Figures, read_results
from benchmarks.table import BEGIN, END, PAGE, TARGETS, figures_text, page_with, section, targets_text
from tests.docs.helpers import ROOT, text_of

CLASSIFICATION = Figure("steps", "classification", "µs", 12.0, (11.0, 13.0), 3, megapixels=1.0, memory=700)


def _named(about: str) -> str:
    return next(target.about for target in TARGETS if about in target.about)


def _line(text: str, about: str) -> str:
    return next(line for line in text.splitlines() if about in line)


def test_the_page_shows_the_latest_figures() -> None:
    page = text_of(PAGE)
    assert page == page_with(page, section(read_results(LATEST))), "python -m benchmarks.table"


def test_the_section_follows_the_figures() -> None:
    results = read_results(LATEST)
    others = [replace(figure, median=2 * figure.median) for figure in results["figures"]]
    assert section(results) != section({**results, "figures": others})


def test_replacing_the_section_keeps_the_rest_of_the_page() -> None:
    assert page_with(f"a\n{BEGIN}\nold\n{END}\nb\n", "new") == f"a\n{BEGIN}\nnew\n{END}\nb\n"


def test_results_describe_the_machine_without_host_and_folders() -> None:
    content = json.loads(text_of(LATEST))
    assert set(content["machine"]) == {"processor", "cores", "caches of a core", "memory", "system"}
    assert content["versions"]["GDAL"]
    assert not [word for word in text_of(LATEST).split('"') if word.startswith("/")]


def test_figures_are_equal_after_writing_and_reading(tmp_path: Path) -> None:
    figures = Figures()
    figures.add("stages", "decode", [1.0, 2.0, 4.0], pixels=1e6, cores=2, megapixels=1.0)
    figures.write(tmp_path / "results.json")
    (read,) = read_results(tmp_path / "results.json")["figures"]
    assert read == figures.entries[0]
    assert (read.median, read.quartiles, read.rounds) == (4.0, (3.0, 6.0), 3)


@pytest.mark.parametrize(
    ("measured", "verdict"), [(12.0, "met"), (15.0, "met"), (18.0, "missed by 20 %")], ids=["below", "at", "above"]
)
def test_verdict_of_a_target_with_an_upper_bound(measured: float, verdict: str) -> None:
    text = targets_text([replace(CLASSIFICATION, median=measured)])
    assert _line(text, _named("from files to labels")).endswith(f"| {verdict} |")


def test_verdict_of_a_target_with_a_lower_bound() -> None:
    forest = Figure("forest", "kernel, probabilities", "µs", 10.0, (10.0, 10.0), 3, megapixels=1.0)
    reference = replace(forest, name="scikit-learn's predict_proba, 1 threads", median=20.0)
    line = _line(targets_text([forest, reference]), _named("against scikit-learn"))
    assert "2 ×" in line
    assert line.endswith("| missed by 50 % |")


def test_a_target_without_figures_is_not_measured() -> None:
    assert _line(targets_text([CLASSIFICATION]), _named("ImageClassifier")).endswith("| not measured |")


def test_the_step_is_compared_with_the_sum_of_its_stages() -> None:
    stages = ("decode", "series", "features, including gap filling", "forest", "write")
    alone = [replace(CLASSIFICATION, group="stages", name=name, median=2.0) for name in stages]
    about = _named("sum of its stages")
    assert "1.2 ×" in _line(targets_text([CLASSIFICATION, *alone]), about)
    assert "not measured" in _line(targets_text([CLASSIFICATION, *alone[1:]]), about)


def test_a_figure_is_compared_with_the_reference_of_the_same_tile_size() -> None:
    larger = replace(CLASSIFICATION, megapixels=4.0, reference="floor")
    floors = [replace(CLASSIFICATION, name="floor", megapixels=size, median=size * 6) for size in (1.0, 4.0)]
    assert "2.00" in _line(figures_text([larger, *floors]), "classification")


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py")))
def test_the_modules_of_the_benchmarks_fit_the_program(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")
