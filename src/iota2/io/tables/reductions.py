"""Texts that describe the reduction of one group of features: its components, and statistics of its features."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

import numpy as np


def components_text(group: str, names: Sequence[str], axes: np.ndarray, explained: np.ndarray) -> str:
    """The components of a group as tab-separated text.

    ``names`` are its features, ``axes`` (feature, component) their loadings after standardisation, ``explained``
    (component,) the shares of the variance.
    """
    columns = [f"component_{number}" for number in range(axes.shape[1])]
    lines = [f"# principal components of the standardised features of: {group}", _row("feature", columns)]
    lines.append(_row("(share of the variance)", map(repr, explained.tolist())))
    lines += [_row(name, map(repr, row.tolist())) for name, row in zip(names, axes, strict=True)]
    return "\n".join(lines) + "\n"


def _row(name: str, cells: Sequence[str] | map[str]) -> str:
    return "\t".join([name, *cells])


def statistics_xml(names: Sequence[str], mean: np.ndarray, scale: np.ndarray) -> str:
    """Mean and standard deviation of features as XML, in the order of ``names``; the deviation of constants is 1."""
    lines = ['<?xml version="1.0" ?>', "<FeatureStatistics>"]
    for kind, values in (("mean", mean), ("stddev", scale)):
        lines.append(f'    <Statistic name="{kind}">')
        for name, value in zip(names, values.tolist(), strict=True):
            lines.append(f'        <StatisticVector value="{value!r}" feature={quoteattr(name)} />')
        lines.append("    </Statistic>")
    return "\n".join([*lines, "</FeatureStatistics>"]) + "\n"
