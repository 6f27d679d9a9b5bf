"""The report on a quantity: what its accuracy covers, and a table that fits any width."""

from __future__ import annotations

import re

import numpy as np

from iota2.compute.value_accuracy import ValueAccuracy, ValuePixels, value_accuracy
from iota2.report.quantity.page import QuantityReport, render_quantity
from iota2.report.quantity.tables import ALL, QuantityResults, scope_sentences


def accuracy(polygons: int) -> ValueAccuracy:
    """Accuracy in some polygons of two pixels."""
    rng = np.random.default_rng(0)
    polygon = np.repeat(np.arange(polygons), 2)
    true = 10.0 * polygon
    mapped = true + rng.normal(size=len(true))
    return value_accuracy(ValuePixels(polygon, polygon.astype(str), true, mapped, np.full(len(true), 3.0)), rng, 50)


def page(results: QuantityResults) -> str:
    return render_quantity(QuantityReport("run", results, (), (), (), (), (), (), ()))


def test_an_accuracy_of_all_regions_needs_no_explanation() -> None:
    results = QuantityResults("height", {0: {ALL: accuracy(20), "a": accuracy(10), "b": accuracy(10)}})
    assert scope_sentences(results, 0) == []
    assert scope_sentences(QuantityResults("height", {0: {ALL: accuracy(20)}}), 0) == []
    assert "with 40 pixels</span>" in page(results)


def test_regions_that_the_accuracy_does_not_cover_are_named() -> None:
    regions = {ALL: accuracy(20), "a": accuracy(10), "b": accuracy(0), "c": accuracy(10), "d": accuracy(0)}
    results = QuantityResults("height", {0: regions, 1: {ALL: accuracy(0)}}, {0: {"b": 0, "d": 1}})
    assert scope_sentences(results, 0) == [
        "The accuracy covers regions a, c only. Regions b, d have no validation pixel with a value: the accuracy there "
        "is unknown.",
        "Region b has no intervals: they need the residuals of 9 learning polygons, and none are known.",
        "Region d has no intervals: they need the residuals of 9 learning polygons, and 1 is known.",
    ]
    assert scope_sentences(results, 1) == ["The map is not validated: no validation pixel has a value."]
    assert "with 40 pixels in 2 of 4 regions</span>" in page(results)


def test_cells_have_intervals_below_their_values_and_labels_for_narrow_screens() -> None:
    found = accuracy(20)
    text = page(QuantityResults("height", {0: {ALL: found}}))
    low, high = found.bounds["r2"]
    label, value, interval = re.findall(r'data-label="(R.*?)"><span>(.*?)<small>(.*?)</small>', text)[0]
    assert (label, value) == ("R²", f"{found.measures['r2']:.3f}")
    assert interval == f"[{low:.3f}, {high:.3f}]"
    assert 'data-label="region"><span>(all regions)</span>' in text
    assert "@media screen and (max-width: 1100px)" in text
