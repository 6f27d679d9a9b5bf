"""Reliability of maps: counts by confidence, sums of tiles, parts and classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute.map_reliability import count_confidences, map_reliability, sum_confidences
from iota2.compute.reliability import reliability
from iota2.core.tables import ConfidenceCounts
from iota2.io.tables.confidence_counts import confidence_counts_csv, read_confidence_counts

LABELS = (3, 11, 12)
pixels = st.lists(st.tuples(st.integers(0, 5), st.sampled_from((0, *LABELS)), st.integers(1, 100)), max_size=60)


def counted(given: list[tuple[int, int, int]]) -> ConfidenceCounts:
    """Counts of pixels given as (polygon, produced, confidence); the reference class follows from the polygon."""
    polygon, produced, confidence = np.array(given, dtype=np.int64).reshape(-1, 3).T
    return count_confidences(polygon, np.array(LABELS)[polygon % 3], produced, confidence)


def columns(counts: ConfidenceCounts) -> list[list[int]]:
    names = ("polygon", "reference", "produced", "confidence", "pixels")
    return [getattr(counts, name).tolist() for name in names]


@given(pixels, st.integers(0, 60))
def test_sum_of_partial_counts_equals_the_counts_of_all(given, cut):
    assert columns(sum_confidences([counted(given[:cut]), counted(given[cut:])])) == columns(counted(given))
    assert len(sum_confidences([])) == 0


@given(pixels)
def test_a_written_table_is_read_back(tmp_path_factory, given):
    path = tmp_path_factory.mktemp("counts") / "a.csv"
    path.write_text(confidence_counts_csv(counted(given)), encoding="utf-8")
    assert columns(read_confidence_counts(path)) == columns(counted(given))


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "originfid,reference,produced,confidence,pixels\n1,2,3\n"])
def test_an_invalid_table_is_rejected_with_its_name(tmp_path: Path, text):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.csv is not a table of confidences"):
        read_confidence_counts(tmp_path / "a.csv")


@given(pixels)
def test_measures_of_counts_equal_those_of_pixels(given):
    seen = [one for one in given if one[1] > 0]
    found = map_reliability(counted(given), LABELS, {0: 0.0, 1: 100.0, 2: 100.5}, seed=0)
    chosen = {"all": seen, "apart": [one for one in seen if one[0] > 1]}
    for part, rows in chosen.items():
        polygon, produced, confidence = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        expected = reliability(confidence / 100, np.array(LABELS)[polygon % 3] == produced, polygon)
        one = found.parts[part]  # type: ignore[index]
        for name in ("error", "excess", "brier"):
            assert getattr(one, name) == pytest.approx(getattr(expected, name), nan_ok=True)
        assert one.polygons == expected.polygons
    assert [one.polygons for one in found.classes] == [len({p for p, m, _ in seen if m == label}) for label in LABELS]


def test_classes_are_those_of_the_map():
    counts = counted([(0, 3, 90), (0, 11, 60), (1, 11, 80), (2, 11, 70)])
    found = map_reliability(counts, LABELS, {}, seed=0)
    assert found.classes[1].diagram.share_correct == pytest.approx(1 / 3)
    assert found.classes[1].diagram.mean_probability == pytest.approx(0.7)
    assert np.isnan(found.classes[2].error)
