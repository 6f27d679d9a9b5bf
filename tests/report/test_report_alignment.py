"""Displacements of dates from a reference image, on the page of a sensor and in the accuracy report."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import date

import pytest

from iota2.core.nomenclature import Nomenclature
from iota2.report.results.page import AlignedSeries, ReportData, render_report
from iota2.report.run.pages import render_products
from iota2.report.run.plots import DISPLACEMENT_PLOT_SIZE, displacement_plot
from iota2.report.run.values import AlignedView, InputsView, ProductView, SeriesView

HOSTILE = "</td><script>alert(1)</script>"
MOVED = AlignedView(1.25, -0.5, 12, 14, 0.08, 0.31, 0.72)
UNKNOWN = AlignedView(0.0, 0.0, 0, 2, math.nan, math.nan, math.nan, HOSTILE, known=False)


def series(*views: AlignedView | None) -> SeriesView:
    days = [date(2018, 5, 1 + k) for k in range(len(views))]
    return SeriesView(
        "S2", "A", "", tuple(ProductView(d, f"P{d.day}", 1, 0.5, view) for d, view in zip(days, views, strict=True))
    )


def products(*views: AlignedView | None) -> str:
    return render_products(InputsView((series(*views),)), ["S2"], "/images")


def test_each_date_has_a_row_with_its_displacement_and_quality() -> None:
    page = products(MOVED, UNKNOWN, None)
    assert "<td>+0.00</td>" in products(replace(MOVED, right=-0.002))
    first, second, third = re.findall(r"<tr><td class=\"left name\">2018.*?</tr>", page, re.DOTALL)
    assert re.findall(r"<td>([^<]*)</td>", first)[2:] == ["+1.25", "-0.50", "12 of 14", "0.08", "0.31 → 0.72"]
    assert re.findall(r"<td>([^<]*)</td>", second)[2:] == ["–", "–", "0 of 2", "–", "– → –"]
    assert '<td colspan="5">' in third
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in second


def test_without_a_reference_image_no_displacement_is_shown() -> None:
    page = products(None, None)
    assert "Correlation" not in page
    assert "displacements" not in page
    assert displacement_plot(series(None, UNKNOWN)) is None


def test_dots_are_at_the_displacements_of_the_dates() -> None:
    plot = displacement_plot(series(MOVED, UNKNOWN, AlignedView(0, 0, 9, 9, 0.02, 0.9, 0.9)))
    assert plot is not None
    (one, middle), half = plot.dots, DISPLACEMENT_PLOT_SIZE / 2
    (inner, label), (outer, twice) = plot.circles
    assert (middle.x, middle.y) == (half, half)
    pixel = inner / float(label)
    assert outer / float(twice) == pytest.approx(pixel)
    assert (one.x - half, one.y - half) == pytest.approx((1.25 * pixel, -0.5 * pixel))
    assert one.about == "2018-05-01: +1.25 pixels right, -0.50 down"


@pytest.mark.parametrize("far", [0.06, 0.9, 3.0, 15.9, 60.0])
def test_all_dots_are_inside_the_plot(far: float) -> None:
    plot = displacement_plot(series(replace(MOVED, right=far, down=far), replace(MOVED, right=-far, down=0.0)))
    assert plot is not None
    assert all(0 < place < DISPLACEMENT_PLOT_SIZE for dot in plot.dots for place in (dot.x, dot.y))


def test_the_report_summarises_each_series() -> None:
    classes = Nomenclature((1,), ("a",), ((0, 0, 0),), (1,))
    lines = (
        AlignedSeries("S2", "A", 9, 7, 1, 0.84, 2.31, 0.3, 0.66),
        AlignedSeries(HOSTILE, "B", 2, 0, 2, math.nan, math.nan, math.nan, math.nan),
    )
    page = render_report(ReportData("t", classes, aligned=lines))
    rows = re.findall(r"<tr><td class=\"left\">[^<]*</td><td class=\"left\">[AB]</td>(.*?)</tr>", page)
    values = [re.findall(r"<td>([^<]*)</td>", row) for row in rows]
    assert values == [["9", "7", "1", "0.84", "2.31", "0.30", "0.66"], ["2", "0", "2", "–", "–", "–", "–"]]
    assert "<script>" not in page
    assert "Alignment with" not in render_report(ReportData("t", classes))
