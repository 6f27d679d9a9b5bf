"""Whole runs in which several models label a pixel: sub-models, optical and radar models, blended regions."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

from iota2.chains.load import load_config
from iota2.classifiers.models import read_training
from iota2.compute.label_fusion import (
    dempster_shafer,
    label_masses,
    majority_vote,
    resolve_undecided,
    vote_confidence,
)
from iota2.core.graph import Resources
from iota2.core.recipe import MISSING
from iota2.core.tables import ORIGIN, REGION
from iota2.io.tables.confusions import read_confusion
from iota2.io.tables.sample_rules import read_copy_counts
from iota2.io.tables.vectors import read_sqlite
from iota2.runs import runner
from iota2.runs.preview import preview_run
from tests.chain.helpers import EAST, IMAGES, SMALL, WEST, Case, made, read, refused, run, said

SUFFIXES = ("", "_SAR", "_DS")
"""Ends of the names of files of optical models, radar models and their fusion."""
pytestmark = pytest.mark.long


def configured(case: Case, *, chain: dict[str, Any] | None = None, **sections: dict[str, Any]) -> Path:
    """A configuration of two tiles and two regions."""
    regions = {"region_path": str(case.files.regions), "region_field": "region", "list_tile": f"{WEST} {EAST}"}
    return case.configured(chain=regions | (chain or {}), **sections)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def again_with_small_blocks(config: Path) -> None:
    """Classify again with other blocks and threads."""
    use = Resources(threads=2, block_shape=(16, 32))
    runner.run(load_config(config), runner.Options(workers=0, use=use, force=("classification",)), runner.Watcher())


def stale(config: Path) -> set[str]:
    """Steps with jobs that a run would repeat, or might repeat."""
    verdicts = preview_run(load_config(config), runner.Options()).verdicts
    return {job.split("/")[0] for job, verdict in verdicts.items() if verdict.state in ("stale", "open")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return made(replace(SMALL, size=96, sensors=("Sentinel2", "Sentinel1")), tmp_path_factory.mktemp("fusion"))


FUSION = {
    "arg_train": {"mode_outside_regionsplit": 0.01},
    "arg_classification": {"classif_mode": "fusion", "enable_probability_map": True},
}


def test_the_models_of_a_region_learn_from_different_polygons_and_vote(world: Case) -> None:
    config = configured(world, **FUSION)
    run(config)
    root = world.output
    counts = json.loads((root / "config_model/submodels.json").read_text(encoding="utf-8"))
    assert set(counts) == {"1", "2"}
    assert min(counts.values()) > 1
    learned = {}
    for tile in (WEST, EAST):
        polygons = read_sqlite(root / f"dataAppVal/{tile}_seed_0_learn.sqlite")
        for model, origin in zip(polygons[REGION], polygons[ORIGIN], strict=True):
            assert learned.setdefault((model.partition("f")[0], origin), model) == model, "one model for each polygon"
    assert set(learned.values()) == {f"{region}f{k + 1}" for region, count in counts.items() for k in range(count)}
    for tile in (WEST, EAST):
        for region, count in counts.items():
            names = [f"{region}f{k + 1}" for k in range(count)]
            labels = np.stack([read(root / f"classif/Classif_{tile}_model_{name}_seed_0.tif") for name in names])
            paths = [root / f"classif/{tile}_model_{name}_confidence_seed_0.tif" for name in names]
            confidence = np.stack([read(path) for path in paths])
            fused = read(root / f"classif/{tile}_FUSION_model_{region}_seed_0.tif")
            votes = majority_vote(labels)
            np.testing.assert_array_equal(fused, resolve_undecided(votes, labels, confidence, "maxConfidence"))
            found = read(root / f"classif/{tile}_FUSION_model_{region}_confidence_seed_0.tif")
            np.testing.assert_allclose(found, vote_confidence(fused, labels, confidence), atol=1e-6)
    maps = files(root / "classif")
    again_with_small_blocks(config)
    assert files(root / "classif") == maps
    texts = said(root)
    assert "1f1" in texts["report.html"]
    for text in texts.values():
        assert f"Region 1 has {counts['1']} models, each of which learns from a part of the polygons" in text


def test_models_without_usable_polygons_learn_from_all_polygons_of_their_region(world: Case) -> None:
    frame = world.reference()[["code", "geometry"]].to_crs(IMAGES)
    frame = frame[frame.within(shapely.box(*world.world.tile_geobox(WEST).boundingbox).buffer(-20))]
    few = frame.loc[frame.area.sort_values(ascending=False).index].groupby("code").head(2)
    affine = world.world.tile_geobox(WEST).affine
    corners = [affine @ (5 + 2 * k + 0.6, 5.6) for k in range(8)]
    geometries = [shapely.box(x, y - 1, x + 1, y) for x, y in corners]
    thin = gpd.GeoDataFrame({"code": [few["code"].iloc[0]] * 8}, geometry=geometries, crs=IMAGES)
    few = few.assign(geometry=few.difference(thin.union_all().buffer(10)))
    path, whole = (world.files.folder / name for name in ("few.gpkg", "whole.gpkg"))
    pd.concat([few, thin], ignore_index=True).to_file(path)
    options = FUSION | {"arg_train": {"mode_outside_regionsplit": 0.001, "split_ground_truth": False}}
    gpd.GeoDataFrame({"region": ["1"]}, geometry=[few.union_all().buffer(1000)], crs=IMAGES).to_file(whole)
    chain = {"ground_truth": str(path), "region_path": str(whole), "region_field": "region"}
    run(world.configured(chain=chain, **options))
    counts = json.loads((world.output / "config_model/submodels.json").read_text(encoding="utf-8"))
    assert counts == {"1": 10}
    for text in said(world.output).values():
        borrowing = " ".join(text.split()).count("it learns from all polygons of region 1")
        assert 4 <= borrowing < 10
    assert set(np.unique(read(world.output / "final/Classif_Seed_0.tif"))) >= set(few["code"])


@pytest.mark.parametrize("masses", ["learning", "validation"])
def test_models_of_a_region_are_weighted_by_their_accuracy(world: Case, masses: str) -> None:
    rules = world.files.folder / "rules.csv"
    rules.write_text("1,2,11,3\n", encoding="utf-8")
    options = {
        "arg_train": FUSION["arg_train"] | {"fusion_masses": masses, "sample_management": str(rules)},
        "arg_classification": FUSION["arg_classification"] | {"fusion_options": "-method dempstershafer"},
    }
    run(configured(world, **options))
    suffix = {"learning": "learn", "validation": "val"}[masses]
    found = sorted(path.name for path in (world.output / "dataAppVal/bymodels").glob(f"*_{suffix}.csv"))
    counts = json.loads((world.output / "config_model/submodels.json").read_text(encoding="utf-8"))
    assert found == sorted(
        f"model_{region}f{k + 1}_seed_0_{suffix}.csv" for region, count in counts.items() for k in range(count)
    )
    copies = read_copy_counts(world.output / "learningSamples/copies_seed0.csv")
    assert [one.rule.destination for one in copies] == [f"2f{k + 1}" for k in range(counts["2"])]
    assert [one.copied for one in copies] == [3] * counts["2"]
    differing = 0
    for tile, (region, count) in product((WEST, EAST), counts.items()):
        names = [f"{region}f{k + 1}" for k in range(count)]
        matrices = [read_confusion(world.output / f"dataAppVal/bymodels/model_{n}_seed_0_{suffix}.csv") for n in names]
        codes = matrices[0].labels
        weights = np.stack([label_masses(matrix, "precision", codes, unmeasured=True) for matrix in matrices])
        folder = world.output / "classif"
        labels = np.stack([read(folder / f"Classif_{tile}_model_{name}_seed_0.tif") for name in names])
        confidence = np.stack([read(folder / f"{tile}_model_{name}_confidence_seed_0.tif") for name in names])
        expected = resolve_undecided(dempster_shafer(labels, weights, codes), labels, confidence, "maxConfidence")
        np.testing.assert_array_equal(read(folder / f"{tile}_FUSION_model_{region}_seed_0.tif"), expected)
        plain = resolve_undecided(majority_vote(labels), labels, confidence, "maxConfidence")
        differing += int((expected != plain).sum())
    assert differing, "the weights change labels"
    for other in ("mean", "-method majorityvoting"):
        changed = options | {"arg_classification": options["arg_classification"] | {"fusion_options": other}}
        assert not {"learnModel", "learnedConfusion", "modelConfusion"} & stale(configured(world, **changed))


SAR: dict[str, dict[str, Any]] = {
    "arg_train": {"dempster_shafer_sar_opt_fusion": True},
    "arg_classification": {"enable_probability_map": True},
}


def test_optical_and_radar_models(world: Case) -> None:
    config = configured(world, chain={"s1_path": str(world.files.s1_path)}, **SAR)
    run(config)
    root = world.output
    for tile in (WEST, EAST):
        for region in ("1", "2"):
            optical, sar, fused = (
                read(root / f"classif/Classif_{tile}_model_{region}_seed_0{suffix}.tif") for suffix in SUFFIXES
            )
            choice = read(root / f"final/TMP/DSchoice_{tile}_model_{region}_seed_0.tif")
            np.testing.assert_array_equal(fused > 0, (optical > 0) | (sar > 0))
            np.testing.assert_array_equal(choice == 1, (optical == sar) & (optical > 0))
            np.testing.assert_array_equal(fused[choice == 2], sar[choice == 2])
            np.testing.assert_array_equal(fused[choice == 3], optical[choice == 3])
            np.testing.assert_array_equal(choice == 0, fused == 0)
            confidence = [
                read(root / f"classif/{tile}_model_{region}_confidence_seed_0{suffix}.tif") for suffix in SUFFIXES
            ]
            expected = np.select(
                [choice == 1, choice == 2, choice == 3], [np.maximum(*confidence[:2]), confidence[1], confidence[0]], 0
            )
            np.testing.assert_array_equal(confidence[2], expected)
    labels = read(root / f"final/TMP/{WEST}_seed_0.tif")
    regions = [read(root / f"classif/Classif_{WEST}_model_{region}_seed_0_DS.tif") for region in ("1", "2")]
    np.testing.assert_array_equal(labels, np.where(regions[0] > 0, regions[0], regions[1]))
    with rasterio.open(root / f"classif/PROBAMAP_{WEST}_model_1_seed_0_DS.tif") as file:
        assert file.read().max() > 0
    style = (root / "final/Classif_Seed_0.qml").read_bytes()
    assert {(root / f"final/TMP/Classif_Seed_0_{name}.qml").read_bytes() for name in ("optical", "SAR")} == {style}
    maps = files(root / "classif")
    again_with_small_blocks(config)
    assert files(root / "classif") == maps
    learned = json.loads((root / "model/model_1_seed_0_SAR/model.json").read_text(encoding="utf-8"))
    names = {sensor["sensor"].lower() for sensor in learned["recipe"]["sensors"]}
    assert names
    assert all(name.startswith("sentinel1") for name in names)
    averaged = {"arg_classification": SAR["arg_classification"] | {"fusion_options": "mean"}}
    changed = configured(world, chain={"s1_path": str(world.files.s1_path)}, **SAR | averaged)
    assert not {"learnModel", "learnedConfusion"} & stale(changed)


@pytest.mark.parametrize("missing", [False, True], ids=["models of fewer sensors", "missing values"])
def test_a_region_that_radar_does_not_see_has_the_labels_of_its_optical_model(
    world: Case, tmp_path: Path, missing: bool
) -> None:
    shutil.copytree(world.files.radar / "images" / WEST[1:], tmp_path / "images" / WEST[1:])
    shutil.copy(world.files.s1_path, tmp_path)
    border = 401_000
    regions = {"west": shapely.box(0, 0, border, 1e7), "east": shapely.box(border, 0, 1e6, 1e7)}
    file = tmp_path / "regions.gpkg"
    gpd.GeoDataFrame({"region": list(regions)}, geometry=list(regions.values()), crs=IMAGES).to_file(file)
    chain = {
        "region_path": str(file),
        "s1_path": str(tmp_path / world.files.s1_path.name),
        "output_path": str(tmp_path / "results"),
        "allow_missing_sensor": missing,
    }
    masses = {"arg_train": SAR["arg_train"] | {"fusion_masses": "validation" if missing else "learning"}}
    run(configured(world, chain=chain, **SAR | masses))
    root = tmp_path / "results"
    kind = "val" if missing else "learn"
    matrices = {
        name: read_confusion(root / f"dataAppVal/bymodels/model_{name}_seed_0_SAR_{kind}.csv").counts
        for name in ("west", "east")
    }
    assert matrices["west"].any()
    assert not matrices["east"].any()
    optical, sar, fused = (read(root / f"classif/Classif_{EAST}_model_east_seed_0{suffix}.tif") for suffix in SUFFIXES)
    assert optical.any()
    assert not sar.any()
    np.testing.assert_array_equal(fused, optical)
    assert read(root / f"classif/Classif_{WEST}_model_west_seed_0_SAR.tif").any()
    counts = read_training(root / "model/model_west_seed_0_SAR").samples
    samples = read_sqlite(root / "learningSamples/Samples_region_west_seed0_learn.sqlite")
    radar = samples[[name for name in samples if name.startswith("sentinel1")]].to_numpy()
    assert sum(counts.values()) == np.sum((~np.isnan(radar) & (radar != MISSING)).any(axis=1)) < len(samples)
    for text in said(root).values():
        assert "Region east, seed 0: no sample is seen by sentinel1_asc or sentinel1_des, so the radar model" in text


def test_blended_regions_keep_their_labels_away_from_borders(world: Case) -> None:
    blending = {
        "enable_boundary_fusion": True,
        "boundary_interior_buffer_size": 80,
        "boundary_exterior_buffer_size": 80,
    }
    config = configured(world, arg_classification=blending)
    run(config)
    root, near_borders = world.output, 0
    for tile in (WEST, EAST):
        weights = [
            read(next((root / "shapeRegion").glob(f"*_weights_region_{region}_{tile}.tif"))) for region in ("1", "2")
        ]
        own = [read(root / f"classif/Classif_{tile}_model_{region}_seed_0.tif") for region in ("1", "2")]
        blended = read(root / f"classif/{tile}_BLENDED_seed_0.tif")
        for weight, labels in zip(weights, own, strict=True):
            alone = weight == 1000
            np.testing.assert_array_equal(blended[alone], labels[alone])
        near = (weights[0] > 0) & (weights[1] > 0)
        near_borders += int(near.sum())
        np.testing.assert_array_equal(blended > 0, (own[0] > 0) | (own[1] > 0))
        np.testing.assert_array_equal(read(root / f"final/TMP/{tile}_seed_0.tif"), blended)
    assert near_borders
    maps = files(root / "classif")
    again_with_small_blocks(config)
    assert files(root / "classif") == maps


def test_fusions_that_are_not_possible_are_refused(world: Case, capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, world.configured(**FUSION))
    assert "'fusion' divides large regions between models, but there are no regions; give chain.region_path" in text
    text = refused(capsys, configured(world, **SAR))
    assert "combines radar and optical maps, but no radar images are given; give chain.s1_path" in text
    both = {"arg_train": SAR["arg_train"], "arg_classification": FUSION["arg_classification"]}
    text = refused(capsys, configured(world, chain={"s1_path": str(world.files.s1_path)}, **both))
    assert "'fusion' is not possible together with arg_train.dempster_shafer_sar_opt_fusion; remove one" in text


def test_regions_with_equal_names_of_models_or_files_are_refused(
    world: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for other, options, expected in (
        ("1_SAR", SAR, "region '1_SAR' has the name of a model of region '1', which has radar models"),
        ("1_confidence", FUSION, "regions '1' and '1_confidence' would have the same file, classif/"),
    ):
        regions = gpd.read_file(world.files.regions)
        regions["region"] = regions["region"].replace({"2": other})
        regions.to_file(tmp_path / f"{other}.gpkg")
        chain = {"s1_path": str(world.files.s1_path), "region_path": str(tmp_path / f"{other}.gpkg")}
        assert expected in refused(capsys, configured(world, chain=chain, **options))
