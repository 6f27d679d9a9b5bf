"""The maps of several runs are fused, and validated on polygons that no run uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize

from iota2.chains.load import load_config
from iota2.compute.regularise import regularised
from iota2.runs import runner
from iota2.testing.world import WorldOptions
from tests.chain.helpers import DATES, WEST, Case, copied, made, read, refused

SEEDS = range(3)
UNIT = 5
"""Minimum mapping unit in pixels."""
OPTIONS = WorldOptions(size=128, overlap=16, classes=3, dates=DATES)
FUSION = {"mergeRuns", "mergeRunsRegularisation", "mergeRunsConfusion", "mergeRunsAccuracy", "reportGeneration"}


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A world whose maps are fused by votes."""
    case = copied(made(OPTIONS, tmp_path_factory.mktemp("runs") / "world"), tmp_path_factory.mktemp("fusion") / "case")
    executed(case)
    return case


def configured(case: Case, **options: Any) -> Path:
    fusion = {"merge_run": True, "merge_run_ratio": 0.3, **options}
    sections = {"arg_train": {"runs": len(SEEDS)}, "arg_classification": {"minimum_mapping_unit": UNIT}}
    return case.configured(**sections, multi_run_fusion=fusion)


def executed(case: Case, **options: Any) -> set[str]:
    """Run the chain with options of the fusion; returns the steps of which jobs were executed."""
    results = runner.run(load_config(configured(case, **options)), runner.Options(workers=0), runner.Watcher())
    return {job.split("/")[0] for job, result in results.items() if result.state == "done"}


def final(case: Case, name: str) -> Path:
    return case.output / "final" / name


def maps(case: Case) -> np.ndarray:
    return np.stack([read(final(case, f"Classif_Seed_{seed}.tif")) for seed in SEEDS])


def text(case: Case, name: str) -> str:
    return final(case, name).read_text(encoding="utf-8")


def metrics(case: Case) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(case, "metrics.json"))
    return found


def reserved(case: Case) -> gpd.GeoDataFrame:
    return gpd.read_file(final(case, f"merge_final_classifications/{WEST}_majvote.sqlite"))


def truth(case: Case, polygons: gpd.GeoDataFrame) -> np.ndarray:
    """Class codes of polygons on the grid of the map; 0 elsewhere."""
    with rasterio.open(final(case, "Classifications_fusion.tif")) as source:
        shapes = zip(polygons.geometry, polygons["i2label"], strict=True)
        codes: np.ndarray = rasterize(shapes, source.shape, transform=source.transform, dtype="uint16")
    return codes


def accuracy(codes: np.ndarray, produced: np.ndarray, undecided: int = 255) -> tuple[float, int]:
    """Share of correct pixels among those with a class, and number of undecided ones."""
    inside = codes > 0
    decided = inside & (produced > 0) & (produced != undecided)
    return float((codes == produced)[decided].mean()), int((inside & (produced == undecided)).sum())


def test_no_run_uses_the_reserved_polygons(fused: Case) -> None:
    aside = set(reserved(fused)["originfid"])
    sides = gpd.read_file(fused.output / "reference_data.shp")
    assert aside == set(sides.loc[sides["seed_0"] == "fusion", "originfid"])
    for seed in SEEDS:
        used = set()
        for side in ("learn", "val"):
            used |= set(gpd.read_file(fused.output / f"dataAppVal/{WEST}_seed_{seed}_{side}.sqlite")["originfid"])
        assert not aside & used
        assert (sides[f"seed_{seed}"] == "fusion").sum() == (sides["seed_0"] == "fusion").sum()
    for _, found in sides[sides["seed_0"] != "unused"].groupby("i2label")["seed_0"]:
        expected = min(max(round(0.3 * len(found)), 1), len(found) - 2) if len(found) > 2 else 0
        assert (found == "fusion").sum() == expected


def test_votes_are_counted_and_the_fusion_is_compared_with_the_runs(fused: Case) -> None:
    labels, found = maps(fused), read(final(fused, "Classifications_fusion.tif"))
    counts = np.stack([(labels == code).sum(axis=0) for code in range(1, 256)])
    most = counts.max(axis=0)
    tie = (counts == most).sum(axis=0) > 1
    np.testing.assert_array_equal(found, np.where(most == 0, 0, np.where(tie, 255, 1 + counts.argmax(axis=0))))
    np.testing.assert_array_equal(found, read(final(fused, "Classifications_fusion_ColorIndexed.tif")))
    written, codes = metrics(fused)["fusion"], truth(fused, reserved(fused))
    assert written["method"] == "majorityvoting"
    assert written["polygons"] == "reserved"
    assert written["undecided_pixels"] == (found == 255).sum()
    assert written["map_pixels"] == (found > 0).sum()
    for one, produced in [(written["map"], found), *zip(written["seeds"], labels, strict=True)]:
        share, undecided = accuracy(codes, produced)
        assert one["overall_accuracy"] == pytest.approx(share)
        assert sum(one["undecided"]) == undecided
    for name in ("RESULTS_seeds.txt", "report.html"):
        assert "not an interval of the accuracy of the map" in text(fused, name)
    assert "interval or range over the runs" not in text(fused, "RESULTS.txt"), "it has none"
    assert f"OA : {written['overall_accuracy']['mean']:.3f}" in text(fused, "RESULTS.txt")
    runs = metrics(fused)["summary"]["overall_accuracy"]["mean"]
    assert f"OA : {runs:.3f}" in text(fused, "RESULTS_seeds.txt")
    assert "Fusion of the runs</h2>" in text(fused, "report.html")
    assert "<h2>Map, fusion of the runs</h2>" in text(fused, "report.html")
    assert "<h2>Confidence, seed 0</h2>" in text(fused, "report.html")
    assert final(fused, "fusionConfusion.png").stat().st_size > 0


def test_the_minimum_mapping_unit_applies_to_the_fusion(fused: Case) -> None:
    found = read(final(fused, "Classifications_fusion.tif"))
    np.testing.assert_array_equal(
        read(final(fused, "Classifications_fusion_regularised.tif")), regularised(found, UNIT)
    )
    assert (regularised(found, UNIT) != found).any()
    assert "Classifications_fusion_regularised.tif" in text(fused, "report.html")


def test_another_method_runs_the_fusion_again_and_what_follows(fused: Case) -> None:
    before = maps(fused)
    ran = executed(fused, merge_run_method="dempstershafer", dempstershafer_mob="accuracy")
    assert {"mergeRuns", "mergeRunsConfusion", "reportGeneration"} <= ran <= FUSION
    found = read(final(fused, "Classifications_fusion.tif"))
    labels = maps(fused)
    np.testing.assert_array_equal(labels, before)
    mass = [one["overall_accuracy"] for one in metrics(fused)["seeds"]]
    codes = np.unique(labels[labels > 0])
    doubts = np.stack([np.prod([np.where(labels[k] == c, 1 - mass[k], 1) for k in SEEDS], axis=0) for c in codes])
    least = np.sort(doubts, axis=0)
    sure = (least[1] - least[0] > 1e-6) & (labels > 0).any(axis=0)
    np.testing.assert_array_equal(found[sure], codes[doubts.argmin(axis=0)][sure])
    assert metrics(fused)["fusion"]["measure"] == "accuracy"
    assert executed(fused, merge_run_method="dempstershafer", dempstershafer_mob="accuracy") == set()


def test_the_mean_of_probabilities_has_a_confidence_and_no_undecided_pixels(fused: Case) -> None:
    before = maps(fused)
    ran = executed(fused, merge_run_method="mean")
    assert "learnModel" not in ran
    np.testing.assert_array_equal(maps(fused), before)
    found, confidence = (read(final(fused, name)) for name in ("Classifications_fusion.tif", "Confidence_fusion.tif"))
    codes = [label["code"] for label in metrics(fused)["labels"]]
    shares = np.stack(
        [
            [read(final(fused, f"ProbabilityMap_seed_{seed}.tif"), band) for band in range(1, 1 + len(codes))]
            for seed in SEEDS
        ]
    ).astype(int)
    known = shares[:, :1] != 65535
    means = np.where(known, shares, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    seen = known.any(axis=0)[0]
    np.testing.assert_array_equal(found, np.where(seen, np.array(codes)[means.argmax(axis=0)], 0))
    np.testing.assert_array_equal(confidence > 0, seen)
    assert np.abs(confidence - means.max(axis=0) / 10)[seen].max() <= 0.501
    assert metrics(fused)["fusion"]["undecided_pixels"] == 0
    assert metrics(fused)["fusion"]["undecided_label"] is None
    assert "<h2>Confidence, fusion of the runs</h2>" in text(fused, "report.html")


@pytest.mark.long
def test_all_polygons_validate_the_fusion_optimistically_and_the_report_of_the_runs_is_optional(fused: Case) -> None:
    others = [
        final(fused, name) for name in ("RESULTS_seeds.txt", f"merge_final_classifications/{WEST}_majvote.sqlite")
    ]
    for path in others:
        path.unlink(missing_ok=True)  # files of other options are kept
    executed(fused, fusion_of_classification_all_samples_validation=True, keep_runs_results=False)
    assert not any(path.exists() for path in others)
    sides = gpd.read_file(fused.output / "reference_data.shp")
    assert "fusion" not in set(sides["seed_0"])
    written = metrics(fused)["fusion"]
    assert written["polygons"] == "all"
    codes = truth(fused, gpd.read_file(fused.output / f"formattingVectors/{WEST}.shp"))
    share, undecided = accuracy(codes, read(final(fused, "Classifications_fusion.tif")))
    assert written["map"]["overall_accuracy"] == pytest.approx(share)
    assert sum(written["map"]["undecided"]) == undecided
    for name in ("RESULTS.txt", "report.html", "metrics.json"):
        assert "its accuracy is optimistic" in text(fused, name)


def test_an_undecided_label_that_is_a_class_is_refused_before_the_run(
    fused: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    code = int(fused.reference()["code"].iloc[0])
    message = refused(capsys, configured(fused, merge_run_undecidedlabel=code))
    assert f"multi_run_fusion.merge_run_undecidedlabel: {code} is the code of a class" in message
