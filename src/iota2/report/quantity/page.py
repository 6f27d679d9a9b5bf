"""The report on a map of a quantity as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iota2.report.quantity.tables import (
    ALL,
    MEANING,
    NOT_A_SAMPLE,
    QuantityResults,
    coverage_sentence,
    head,
    rows_of,
    scope_sentences,
    value_text,
)
from iota2.report.results.page import Picture, Series
from iota2.report.templating import environment, link, png_uri, script_policy


@dataclass(frozen=True)
class ModelText:
    """A model as the page lists it."""

    region: str
    seed: int
    method: str
    samples: int
    interval: str


@dataclass(frozen=True)
class QuantityReport:
    """Content of ``final/report.html`` for a quantity; the page escapes all texts."""

    title: str
    results: QuantityResults
    pictures: tuple[Picture, ...]
    models: tuple[ModelText, ...]
    series: tuple[Series, ...]
    notes: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    """Paths relative to the folder of the page, with one sentence each."""
    configuration: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]


def render_quantity(data: QuantityReport) -> str:
    """The page as HTML text with embedded pictures."""
    templates = environment()
    templates.filters |= {"data_uri": png_uri, "link": link}
    return templates.get_template("quantity.html.j2").render(
        data=data,
        figures=_key_figures(data.results),
        head=head(),
        tables=[
            (seed, _cells(rows_of(found)), scope_sentences(data.results, seed))
            for seed, found in data.results.by_seed.items()
        ],
        coverage=coverage_sentence(data.results.first),
        meaning=(MEANING, NOT_A_SAMPLE),
        policy=script_policy([], images=True),
    )


def _key_figures(results: QuantityResults) -> Sequence[tuple[str, str, str]]:
    """Name, value and explanation of the key figures, those of the first seed."""
    seed = min(results.by_seed)
    by_region, missing = results.by_seed[seed], results.unvalidated(seed)
    found, regions = by_region[ALL], len(by_region) - 1
    where = f" in {regions - len(missing)} of {regions} regions" if missing else ""
    names = (("r2", "R²"), ("rmse", "RMSE"), ("bias", "Bias"), ("coverage", "Coverage of the 90 % intervals, %"))
    shown = [(title, *_parted(value_text(found, name))) for name, title in names]
    return [
        *shown,
        (
            "Validation polygons",
            f"{found.polygons:,}",
            f"with {found.pixels:,} pixel{'' if found.pixels == 1 else 's'}{where}",
        ),
    ]


def _cells(rows: Sequence[Sequence[str]]) -> list[list[tuple[str, str]]]:
    """Value and interval of each cell; the first cell is a name."""
    return [[(name, ""), *(_apart(cell) for cell in cells)] for name, *cells in rows]


def _apart(text: str) -> tuple[str, str]:
    """A value, and its interval or an empty text."""
    value, _, interval = text.partition(" ")
    return value, interval


def _parted(text: str) -> tuple[str, str]:
    """A value and its interval."""
    value, interval = _apart(text)
    return value, f"95 % interval {interval}" if interval else ""
