"""A maximum of samples for each class and model: over all tiles, drawn reproducibly, and reported."""

from __future__ import annotations

import numpy as np
import pytest

from iota2.classifiers import load_model
from iota2.core.tables import CODE
from iota2.io.tables.vectors import read_samples, read_sqlite
from tests.chain.helpers import EAST, WEST, Case, case, refused, run, said, small

__all__ = ["case", "small"]
MOST = 40
TILES = {"list_tile": f"{WEST} {EAST}"}
ALL = {"sampler": "random", "strategy": "all"}


def rates(case: Case) -> dict[int, list[str]]:
    """Cells of each class: code, required, total, rate, and pixels left out where some are."""
    text = (case.output / "samplesSelection/samples_region_1_seed_0_outrates.csv").read_text(encoding="utf-8")
    return {int(line.split(",")[0]): line.split(",") for line in text.splitlines()[1:]}


def selection(case: Case) -> bytes:
    return (case.output / "samplesSelection/samples_region_1_seed_0_selection.sqlite").read_bytes()


@pytest.mark.long
def test_no_class_has_more_than_the_greatest_number_over_all_tiles(case: Case) -> None:
    run(case.configured(chain=TILES, arg_train={"sample_selection": ALL, "max_samples_per_class": MOST}))
    table = rates(case)
    left = {code: int(total) - MOST for code, _, total, *_ in table.values() if int(total) > MOST}
    assert len(left) == 3
    assert {code: int(cells[4]) for code, cells in table.items()} == {int(code): count for code, count in left.items()}
    selected = read_sqlite(case.output / "samplesSelection/samples_region_1_seed_0_selection.sqlite")
    assert selected[CODE].value_counts().to_dict() == dict.fromkeys(table, MOST)
    extracted = [read_samples(path) for path in case.output.glob("learningSamples/T*_Samples_learn.sqlite")]
    assert len(extracted) == 2
    assert all(map(len, extracted))
    learned = load_model(case.output / "model/model_1_seed_0").meta.samples
    assert sum(map(len, extracted)) == sum(learned.values()) <= 3 * MOST
    message = f"arg_train.max_samples_per_class leaves out {sum(left.values()):,} pixels"
    for name, text in said(case.output).items():
        assert f"Region 1, seed 0: {message}" in text, name
    log = "".join(path.read_text() for path in case.output.glob("logs/samplingLearningPolygons/*") if path.is_file())
    for code, count in left.items():
        assert f"class {code}: arg_train.max_samples_per_class leaves out {count} of {count + MOST} pixels" in log

    again = selection(case)  # a limit of all pixels is the draw of as many from all pixels
    constant = {"strategy": "constant", "strategy.constant.nb": MOST}
    run(case.configured(chain=TILES, arg_train={"sample_selection": constant}))
    assert selection(case) == again
    assert "leftOut" not in (case.output / "samplesSelection/samples_region_1_seed_0_outrates.csv").read_text()


def test_a_number_that_no_class_reaches_changes_nothing(case: Case) -> None:
    run(case.configured())
    files = {path: path.read_bytes() for folder in ("samplesSelection", "learningSamples", "model", "final")
             for path in case.output.glob(f"{folder}/**/*.csv")}  # fmt: skip
    before = files | {"selection": selection(case)}
    run(case.configured(arg_train={"max_samples_per_class": 150}))
    assert {path: path.read_bytes() for path in files} | {"selection": selection(case)} == before
    assert not any("max_samples_per_class leaves out" in text for text in said(case.output).values())
    assert np.all([len(cells) == 4 for cells in rates(case).values()])


@pytest.mark.parametrize("value", [0, -3, 2.5])
def test_a_number_that_is_none_is_refused(case: Case, capsys: pytest.CaptureFixture[str], value: float) -> None:
    assert "max_samples_per_class" in refused(capsys, case.configured(arg_train={"max_samples_per_class": value}))
