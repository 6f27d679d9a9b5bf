"""Lines on reference polygons and samples at the end of a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iota2 import layout
from iota2.core.losses import Amount, ClassLosses, losses_csv
from iota2.core.nomenclature import Nomenclature
from iota2.io.tables.classes import write_classes
from iota2.runs.progress.sample_losses import sample_lines


@pytest.mark.parametrize(
    ("quantity", "name", "title", "enough"),
    [
        (False, "wheat", "Class wheat (1)", "two polygons of each class in each region"),
        (True, "below 5", "The group of values below 5 (1)", "two polygons in each region"),
        (True, "all values", "The group of all values (1)", "two polygons in each region"),
    ],
)
def test_warnings_speak_of_classes_or_of_values(
    quantity: bool, name: str, title: str, enough: str, tmp_path: Path
) -> None:
    losses = layout.LOSSES.path.format(seed=0)
    for path in (losses, layout.CLASSES.path):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    write_classes(Nomenclature((1,), (name,), ((0, 0, 0),), (1,)), tmp_path / layout.CLASSES.path)
    amounts = {"drawn": Amount(4, 40), "usable": Amount(4, 40), "samples": Amount(0, 3)}
    (tmp_path / losses).write_text(losses_csv([ClassLosses(1, "1", amounts)]), encoding="utf-8")
    config: Any = SimpleNamespace(
        chain=SimpleNamespace(output_path=tmp_path), arg_train=SimpleNamespace(runs=1), quantity=quantity
    )
    lines = sample_lines(config, {losses, layout.CLASSES.path})
    assert lines[-2].startswith(f"warning: {title} is nearly lost: 3 pixels for learning")
    assert lines[-1].endswith(f"Draw at least {enough}.")
