"""Figures as tables in Markdown, and the section of the documentation that shows the latest ones.

``python -m benchmarks.table`` writes that section from ``benchmarks/results/latest.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.figures import LATEST, PER_PIXEL, Figure, read_results

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
STAGES = ("decode", "series", "features, including gap filling", "forest", "write")
"""The stages of the classification step."""


def _values(found: Sequence[Figure], group: str, name: str) -> dict[float | None, float]:
    """Medians of a figure by size of tile."""
    return {f.megapixels: f.median for f in found if (f.group, f.name) == (group, name)}


def _sums(found: Sequence[Figure], group: str, names: Iterable[str]) -> dict[float | None, float]:
    """Sums of some figures by size of tile, for sizes with all of these figures."""
    parts = [_values(found, group, name) for name in names]
    sizes = [size for size in parts[0] if all(size in part for part in parts)]
    return {size: sum(part[size] for part in parts) for size in sizes}


def _quotients(above: dict[float | None, float], below: dict[float | None, float]) -> dict[float | None, float]:
    return {size: value / below[size] for size, value in above.items() if below.get(size)}


def _of_full_tile(found: dict[float | None, float]) -> dict[float | None, float]:
    """Values of tiles of 100 million pixels or more: on smaller tiles the same points are closer together."""
    return {size: value for size, value in found.items() if size and size >= 100}


def _memory(found: Sequence[Figure]) -> dict[float | None, float]:
    """Largest peak memory of a worker by size of tile, MiB."""
    sizes = {f.megapixels for f in found if f.megapixels}
    peaks = {s: [f.memory for f in found if f.megapixels == s and f.memory and f.name != "iota2 run"] for s in sizes}
    return {size: max(values) for size, values in sorted(peaks.items()) if values}


@dataclass(frozen=True)
class Target:
    """A target, and the function that computes the achieved value from the figures."""

    about: str
    bound: float
    unit: str
    of: Callable[[Sequence[Figure]], dict[float | None, float]]
    least: bool = False
    """True: values from the bound upwards are good; False: values up to the bound."""

    def verdict(self, value: float) -> str:
        """``met``, or the relative deviation from the bound."""
        good = value >= self.bound if self.least else value <= self.bound
        return "met" if good else f"missed by {100 * abs(value / self.bound - 1):.2g} %"


TARGETS = (
    Target(
        "forest, per core, against scikit-learn's `predict_proba`", 4, "×",
        lambda f: _quotients(
            _values(f, "forest", "scikit-learn's predict_proba, 1 threads"),
            _values(f, "forest", "kernel, probabilities"),
        ),
        least=True,
    ),
    *(
        Target(
            f"training of a forest, per core, {size}, against scikit-learn's `fit`", 4, "×",
            lambda f, size=size: _quotients(
                _values(f, f"training, {size}", "scikit-learn, fit"), _values(f, f"training, {size}", "iota2, fit")
            ),
            least=True,
        )
        for size in ("15000 samples x 450 features", "500000 samples x 481 features")
    ),
    Target(
        "forest, per machine, against Orfeo's ImageClassifier, both with all cores", 15, "×",
        lambda f: _quotients(
            _values(f, "toolbox", "ImageClassifier"), _values(f, "toolbox", "iota2, same feature raster")
        ),
        least=True,
    ),
    Target(
        "whole chain on 4.8 million pixels against the applications of Orfeo ToolBox", 8, "×",
        lambda f: _quotients(
            _values(f, "whole chain against the toolbox", "toolbox, all applications"),
            _values(f, "whole chain against the toolbox", "iota2 run, calibration : 'auto'"),
        ),
        least=True,
    ),
    Target(
        "whole classification step against the sum of its stages measured alone", 1.25, "×",
        lambda f: _quotients(_values(f, "steps", "classification"), _sums(f, "stages", STAGES)),
    ),
    Target(
        "resample + gap fill + features", 2.5, "µs",
        lambda f: _sums(f, "stages", ("resample", "features, including gap filling")),
    ),
    Target("classification step from files to labels", 15, "µs", lambda f: _values(f, "steps", "classification")),
    Target("peak memory of a worker, MiB (1 GB)", 953, "MiB", _memory),
    Target(
        "extraction of 50,000 samples spread over a full tile, against decoding it once", 1.3, "×",
        lambda f: _of_full_tile(
            _quotients(
                _values(f, "extraction", "50000 points across the tile"),
                _values(f, "extraction", "decode, every byte once"),
            )
        ),
    ),
    Target(
        "plan and check of 100,000 up-to-date jobs", 20, "s",
        lambda f: _sums(f, "planning", ("plan", "check of up-to-date jobs")),
    ),
    Target("run without jobs to execute", 2, "s", lambda f: _values(f, "planning", "run without jobs to execute")),
)  # fmt: skip


def figures_text(found: Sequence[Figure]) -> str:
    """A table of the figures."""
    head = ("", "Mpx", "cores", "median", "quartiles", "", "reference", "reference ÷ this", "MiB")
    rows: list[Sequence[str]] = []
    for group, members in groupby(sorted(found, key=_order(found)), key=lambda f: f.group):
        rows.append((f"**{group}**", *[""] * (len(head) - 1)))
        rows += [_row(figure, found) for figure in members]
    return table(head, rows)


def _order(found: Sequence[Figure]) -> Callable[[Figure], tuple[int, int, float]]:
    """Sort key: groups and names in the order of their first measurement, then size."""
    groups = list(dict.fromkeys(f.group for f in found))
    names = list(dict.fromkeys(f.name for f in found))
    return lambda f: (groups.index(f.group), names.index(f.name), f.megapixels or 0.0)


def _row(figure: Figure, found: Sequence[Figure]) -> Sequence[str]:
    same = [f for f in found if (f.group, f.megapixels) == (figure.group, figure.megapixels)]
    reference = next((f for f in same if f.name == figure.reference), None)
    spread = f"{figure.quartiles[0]:g} to {figure.quartiles[1]:g}" if figure.rounds > 1 else "one round"
    return (
        f"{figure.name} ({figure.note})" if figure.note else figure.name,
        "" if figure.megapixels is None else f"{figure.megapixels:g}",
        str(figure.cores),
        f"{figure.median:g}",
        spread,
        figure.unit.replace(PER_PIXEL, "µs"),
        reference.name if reference else "",
        f"{reference.median / figure.median:.2f}" if reference and figure.median else "",
        "" if figure.memory is None else str(figure.memory),
    )


def targets_text(found: Sequence[Figure]) -> str:
    """A table of the targets with bound, measured value and verdict, for every size of tile."""
    rows = [
        (
            target.about,
            f"{'≥' if target.least else '≤'} {target.bound:g} {target.unit}",
            "" if size is None else f"{size:g}",
            f"{value:.3g} {target.unit}",
            target.verdict(value),
        )
        for target in TARGETS
        for size, value in target.of(found).items()
    ]
    missing = [(target.about, "", "", "", "not measured") for target in TARGETS if not target.of(found)]
    return table(("target", "bound", "Mpx", "measured", "verdict"), [*rows, *missing])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(results: dict[str, Any]) -> str:
    """The section of the documentation for some results, without its markers."""
    machine = "; ".join(f"{name}: {value}" for name, value in results["machine"].items())
    versions = ", ".join(f"{name} {value}" for name, value in results["versions"].items())
    return "\n".join(
        [
            f"Measured on {results['date']}. {machine}. {versions}.",
            *_items(results["remarks"]),
            "",
            "### Targets",
            "",
            targets_text(results["figures"]),
            "",
            "### Figures",
            "",
            f"µs: {PER_PIXEL}. s: seconds.",
            "",
            figures_text(results["figures"]),
        ]
    )


def _items(remarks: Iterable[str]) -> Iterator[str]:
    yield ""
    yield from (f"- {remark}" for remark in remarks)


def page_with(page: str, text: str) -> str:
    """The page with its marked section replaced."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Replace the section of the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page_with(page, section(read_results(LATEST))), encoding="utf-8")


if __name__ == "__main__":
    main()
