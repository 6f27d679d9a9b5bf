"""Runs on segments: computed ones and the user's, over parts, blocks, workers, tiles and restarts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize
from scipy.ndimage import label

from iota2.chains.load import load_config
from iota2.core import grid
from iota2.core.graph import Resources
from iota2.core.losses import Amount
from iota2.core.recipe import MISSING
from iota2.errors import JobsFailed
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.polygon_losses import read_losses_csv
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.segment_values import read_batches
from iota2.io.tables.segments import Segments
from iota2.runs import runner
from iota2.steps.pixels import features_at
from iota2.steps.segment_features import value_names
from tests.chain.helpers import (
    EAST,
    IMAGES,
    MAPS,
    WEST,
    Case,
    case,
    command,
    copied,
    on_tile,
    read,
    refused,
    run,
    said,
    small,
)

__all__ = ["case", "small"]
BUILDER = {"builders_class_name": ["I2Obia"]}
ALL = {"sample_selection": {"sampler": "random", "strategy": "all"}}
MAP = "final/Classif_Seed_0.tif"
BOTH = {"list_tile": f"{WEST},{EAST}"}
SEGMENTS: dict[str, Any] = {
    "chain": BOTH,
    "obia": {"segment_size": 5, "stats_used": ["mean", "std", "min", "max", "count"]},
}


def configured(
    case: Case, *, train: dict[str, Any] | None = None, obia: dict[str, Any] | None = None, **more: Any
) -> Path:
    return case.configured(builders=BUILDER, arg_train=ALL | (train or {}), obia=obia or {}, **more)


@pytest.fixture(scope="module")
def mapped(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A run on computed segments of both tiles."""
    case = copied(small, tmp_path_factory.mktemp("objects") / "case")
    run(configured(case, **SEGMENTS))
    return case


def outputs(case: Case) -> dict[str, bytes]:
    """Segments, maps, and the values of all segments in the order of tiles."""
    names = ["segmentation/*.tif", MAP, "final/Confidence_Seed_0.tif", "segmentation/*_seed_0.npz"]
    found = {path.name: path.read_bytes() for name in names for path in sorted(case.output.glob(name))}
    for tile in (WEST, EAST):
        found[f"values of {tile}"] = values_of(case, tile).to_numpy().tobytes()
    return found


def values_of(case: Case, tile: str) -> pd.DataFrame:
    """Values of all segments of a tile, by number."""
    recipe, frames = read_recipe(case.output / "segmentation/recipe.json"), []
    files = [case.output / f"segmentation/{tile}_{kind}.parquet" for kind in ("merged", "shared")]
    for path in (*sorted((case.output / "segmentation/parts").glob(f"{tile}_part_?.parquet")), *files):
        for batch in read_batches(path, value_names(recipe)):
            frame = pd.DataFrame(batch.values, columns=value_names(recipe), index=batch.segment)
            frames.append(frame.assign(pixels=batch.pixels, seen=batch.seen))
    return pd.concat(frames).sort_index()


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (runner.Options(workers=0, use=Resources(block_shape=(16, 64), threads=2)), 16),
        pytest.param(runner.Options(workers=2), 1024, marks=pytest.mark.long),
        pytest.param(runner.Options(workers=0, use=Resources(block_shape=(7, 13))), 32, marks=pytest.mark.long),
    ],
)
def test_blocks_workers_and_parts_do_not_change_a_byte(
    mapped: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: runner.Options, rows: int
) -> None:
    case = copied(mapped, tmp_path / "case")
    monkeypatch.setattr(grid, "PART_ROWS", rows)
    runner.run(load_config(configured(case, **SEGMENTS)), options, runner.Watcher())
    assert outputs(case) == outputs(mapped)


@pytest.mark.parametrize("tile", [WEST, EAST])
def test_values_equal_pandas_on_all_pixels(mapped: Case, tile: str) -> None:
    numbers = read(mapped.output / f"segmentation/{tile}.tif")
    recipe = read_recipe(mapped.output / "features/recipe.json")
    scene = read_scene(mapped.output / f"features/{tile}/tmp/scene.json")
    rows, cols = np.nonzero(numbers)
    features, seen = features_at(scene, recipe, rows, cols, Resources())
    pixels = pd.DataFrame(features, columns=[*recipe.names]).where(seen[:, None] & (features != MISSING))
    groups = pixels.groupby(numbers[rows, cols])
    found = values_of(mapped, tile)
    assert found.index.tolist() == np.unique(numbers[numbers > 0]).tolist()
    assert found["pixels"].tolist() == groups.size().tolist()
    expected = {
        "mean": groups.mean(),
        "min": groups.min(),
        "max": groups.max(),
        "std": groups.std(ddof=0),
    }
    for name, table in expected.items():
        columns = [f"{feature}_{name}" for feature in recipe.names]
        np.testing.assert_allclose(found[columns], table, rtol=1e-5, atol=5e-3, err_msg=name)


def test_segments_are_connected_and_cover_the_map(mapped: Case) -> None:
    for tile in (WEST, EAST):
        numbers = read(mapped.output / f"segmentation/{tile}.tif")
        mask = read(mapped.output / f"classif/MASK/MASK_region_1_{tile}.tif") > 0
        clear = read(mapped.output / f"features/{tile}/nbView.tif") > 0
        np.testing.assert_array_equal(numbers > 0, mask & clear)
        pieces = [label(numbers == number)[1] for number in np.unique(numbers[numbers > 0])]
        assert np.mean(np.array(pieces) == 1) > 0.95, "only the border of the area may cut a segment"


def test_the_map_is_constant_in_segments_and_mostly_right(mapped: Case) -> None:
    labels = read(mapped.output / f"classif/Classif_{WEST}_model_1_seed_0.tif")
    numbers = read(mapped.output / f"segmentation/{WEST}.tif")
    for number in np.unique(numbers[numbers > 0]):
        assert len(np.unique(labels[numbers == number])) == 1
    truth = mapped.world.truth(mapped.world.tile_geobox(WEST))
    found = on_tile(mapped.output / MAP, mapped)
    assert (found == truth)[found > 0].mean() > 0.8


def test_polygons_have_the_class_and_the_confidence_of_the_map(mapped: Case) -> None:
    table = gpd.read_parquet(mapped.output / "final/vectors/segments.parquet")
    labels = pd.read_csv(mapped.output / "segmentation/labels_seed_0.csv")
    assert labels["segment"].isin(table["segment"]).all()
    assert set(table["tile"]) == {WEST, EAST}
    assert table.area.sum() - table.union_all().area < 100, "polygons of different tiles do not overlap"
    for name, column in ((MAP, "code"), ("final/Confidence_Seed_0.tif", "confidence")):
        with rasterio.open(mapped.output / name) as raster:
            pixels = raster.read(1)
            named = table[table[column].notna()]
            shapes = zip(named.geometry, named[column], strict=True)
            drawn = rasterize(shapes, pixels.shape, transform=raster.transform)
        assert (drawn == pixels).mean() > 0.999, "pixels of the map are those of the tile, in another projection"
    for tile in (WEST, EAST):
        layer = gpd.read_file(mapped.output / f"final/vectors/segments_{tile}.gpkg")
        assert layer["segment"].tolist() == table["segment"][table["tile"] == tile].tolist()


def test_report_tables_and_polygons_have_the_same_segments(mapped: Case) -> None:
    """Segments that are only in the margin of a tile are in none of them."""
    polygons = gpd.read_parquet(mapped.output / "final/vectors/segments.parquet")
    tables = {tile: Segments.read(mapped.output / f"segmentation/{tile}.npz") for tile in (WEST, EAST)}
    report = json.loads((mapped.output / "final/metrics.json").read_text(encoding="utf-8"))["segments"]
    assert report["segments"] == len(polygons) == sum(int((table.mapped > 0).sum()) for table in tables.values())
    assert report["segments"] < sum(len(table) for table in tables.values())
    assert report["tiles"] == polygons["tile"].value_counts().to_dict()
    assert report["median_pixels"] == polygons["pixels"].median()
    for tile, table in tables.items():
        own = polygons[polygons["tile"] == tile].set_index("segment")["pixels"]
        assert own.to_dict() == {k: n for k, n in zip(table.identifier, table.mapped, strict=True) if n}
        layer = gpd.read_file(mapped.output / f"final/vectors/segments_{tile}.gpkg")
        np.testing.assert_allclose(layer.area, own * 100, rtol=0, atol=1e-3)


def parcels(case: Case, tile: str = WEST) -> gpd.GeoDataFrame:
    """The fields of the world on both tiles as polygons, with identifiers above 2³²."""
    west, east = (case.world.tile_geobox(name) for name in (WEST, EAST))
    whole = GeoBox.from_bbox((west.extent | east.extent).boundingbox, crs=west.crs, resolution=10, anchor="floating")
    fields = case.world.fields_at(whole).astype(np.int32) + 1
    shapes = rasterio.features.shapes(fields, transform=whole.affine)
    table = gpd.GeoDataFrame.from_features(
        [{"geometry": shape, "properties": {"parcel": int(value) + 2**33}} for shape, value in shapes], crs=west.crs
    )
    return table.dissolve("parcel", as_index=False)


def test_polygons_of_the_segments_of_a_raster_are_whole_over_tiles(case: Case) -> None:
    table = parcels(case)
    west, east = (case.world.tile_geobox(name) for name in (WEST, EAST))
    whole = GeoBox.from_bbox((west.extent | east.extent).boundingbox, crs=west.crs, resolution=10, anchor="floating")
    numbers = rasterize(zip(table.geometry, table["parcel"] - 2**33, strict=True), whole.shape, transform=whole.affine)
    path = case.files.folder / "parcels.tif"
    profile = {"dtype": "int32", "crs": west.crs, "transform": whole.affine, "count": 1, "nodata": 0}
    with rasterio.open(path, "w", height=whole.shape[0], width=whole.shape[1], **profile) as raster:
        raster.write(numbers.astype(np.int32), 1)
    run(configured(case, chain={**BOTH, "proj": IMAGES}, obia={"obia_segmentation_path": str(path)}))
    found = gpd.read_parquet(case.output / "final/vectors/segments.parquet").set_index("segment")
    assert len(found) == len(table)
    assert len(np.load(case.output / "segmentation/shared.npz")["identifier"]) >= 4
    np.testing.assert_allclose(found.area / 100, np.bincount(numbers.ravel())[found.index])


@pytest.mark.long
@pytest.mark.parametrize(("name", "crs"), [("parcels.gpkg", None), ("parcels.parquet", MAPS)])
def test_parcels_of_the_user_are_whole_over_tiles(case: Case, name: str, crs: str | None) -> None:
    """Holes stay holes; a parcel in two tiles has one value and one class."""
    table = parcels(case).iloc[1:]
    path = case.files.folder / name
    shown = table if crs is None else table.to_crs(crs)
    shown.to_parquet(path) if path.suffix == ".parquet" else shown.to_file(path)
    given = {"obia_segmentation_path": str(path), "id_field": "parcel", "full_learn_segment": True}
    run(configured(case, chain=BOTH, obia=given))
    shared = np.load(case.output / "segmentation/shared.npz")
    assert len(shared["identifier"]) >= 4
    labels = {}
    for tile in (WEST, EAST):
        segments = Segments.read(case.output / f"segmentation/{tile}.npz")
        assert set(segments.identifier) <= set(table["parcel"])
        classes = np.load(case.output / f"segmentation/{tile}_seed_0.npz")["label"]
        labels[tile] = dict(zip(segments.identifier.tolist(), classes.tolist(), strict=True))
    both_tiles = set(shared["identifier"].tolist())
    assert both_tiles
    for identifier in both_tiles:
        found = {labels[tile][identifier] for tile in (WEST, EAST)}
        assert len(found) == 1
    assert pd.read_csv(case.output / "segmentation/labels_seed_0.csv")["segment"].isin(table["parcel"]).all()
    assert not list((case.output / "segmentation").rglob("*labelled*.parquet")), "models learn from whole segments"
    truth = case.world.truth(case.world.tile_geobox(WEST))
    found = on_tile(case.output / MAP, case)
    assert (found == truth)[found > 0].mean() > 0.8
    assert json.loads((case.output / "final/metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"train": {"enable_autocontext": True}}, "arg_train.enable_autocontext: the option depends on the neighb"),
        ({"train": {"feature_importance": True}}, "arg_train.feature_importance: the option is measured on pixels"),
        ({"obia": {"region_priority": "7"}}, "obia.region_priority: there is no region '7' on the tiles"),
        ({"obia": {"stats_used": "meen"}}, "there is no statistic 'meen'; did you mean 'mean'"),
        ({"obia": {"stats_used": "count"}}, "expected at least one of mean, min, max, std"),
    ],
)
def test_options_of_pixels_are_refused(
    case: Case, capsys: pytest.CaptureFixture[str], sections: dict[str, Any], message: str
) -> None:
    assert message in refused(capsys, configured(case, **sections))


def test_repeated_ids_and_overlaps_are_remarks_of_the_report(case: Case) -> None:
    table = parcels(case)
    again = table.iloc[:3].assign(geometry=table.geometry.iloc[:3].buffer(40))
    pd.concat([table, again]).to_file(case.files.folder / "parcels.gpkg")
    run(
        configured(case, obia={"obia_segmentation_path": str(case.files.folder / "parcels.gpkg"), "id_field": "parcel"})
    )
    for text in said(case.output).values():
        assert f"parcels.gpkg, tile {WEST}: 3 polygons overlapping earlier ones" in text
        assert "ids of several polygons" in text


def test_a_file_outside_all_tiles_is_refused(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    table = parcels(case)
    table.assign(geometry=table.translate(1e5)).to_file(case.files.folder / "far.gpkg")
    given = {"obia_segmentation_path": str(case.files.folder / "far.gpkg")}
    said = refused(capsys, configured(case, obia=given))
    assert "far.gpkg: no segment on any tile. In EPSG:" in said
    corner = case.world.tile_geobox(WEST).boundingbox
    assert f"tile {WEST} are between x {corner.left:.0f} and {corner.right:.0f}, y {corner.bottom:.0f}" in said


def test_a_faulty_identifier_is_found_before_the_run(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    table = parcels(case)
    table.loc[4, "parcel"] = -1
    table.to_file(case.files.folder / "faulty.gpkg")
    given = {"obia_segmentation_path": str(case.files.folder / "faulty.gpkg"), "id_field": "parcel"}
    assert "field 'parcel' contains negative numbers: -1 (row 5)" in refused(capsys, configured(case, obia=given))


def test_options_without_effect_are_reported(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    parcels(case).to_file(case.files.folder / "parcels.gpkg")
    given = {"obia_segmentation_path": str(case.files.folder / "parcels.gpkg"), "segment_size": 20}
    for obia, name in (({"id_field": "parcel"}, "id_field"), (given, "segment_size")):
        code, out, error = command(capsys, "check", configured(case, obia=obia))
        assert code == 0, error
        assert f"obia.{name} is not used, since" in out


def test_a_gml_file_is_refused(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    path = case.files.folder / "parcels.gml"
    path.write_text("<gml/>", encoding="utf-8")
    assert "GML is not supported" in refused(capsys, configured(case, obia={"obia_segmentation_path": str(path)}))


def test_builders_of_pixels_and_of_segments_are_not_combined(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    both = {"builders_class_name": ["I2Classification", "I2Obia"]}
    assert "I2Classification and I2Obia" in refused(capsys, case.configured(builders=both))


AFTER_SPLIT = ("no_segment", "both_sides", "no_majority", "other_class", "selection", "max_samples", "no_clear_date")
"""Reasons why learning pixels are not in samples."""


def require_whole_losses(case: Case) -> dict[str, Amount]:
    """For each class, samples and losses have all its learning pixels; returns the sums by reason."""
    entries = read_losses_csv(case.output / "samplesSelection/losses_seed_0.csv")
    for one in entries:
        assert one.of("learning").pixels == sum(one.of(what).pixels for what in (*AFTER_SPLIT, "samples")), one
    return {what: sum((one.of(what) for one in entries), Amount()) for what in (*AFTER_SPLIT, "samples")}


def test_learning_pixels_are_in_samples_or_in_losses(mapped: Case) -> None:
    found = require_whole_losses(mapped)
    assert found["samples"].pixels
    assert found["both_sides"].segments


@pytest.mark.parametrize("whole", [True, False])
def test_learning_pixels_are_in_samples_or_in_losses_with_large_segments_of_the_user(case: Case, whole: bool) -> None:
    """Squares of 7 pixels with gaps mix classes and both sides."""
    west = case.world.tile_geobox(WEST)
    squares = np.indices(west.shape) // 8
    numbers = (squares[0] * 100 + squares[1] + 1) * (np.indices(west.shape) % 8 > 0).all(axis=0)
    path = case.files.folder / "squares.tif"
    profile = {"driver": "GTiff", "count": 1, "dtype": "int32", "crs": west.crs, "transform": west.affine, "nodata": 0}
    with rasterio.open(path, "w", height=west.shape.y, width=west.shape.x, **profile) as out:
        out.write(numbers.astype(np.int32), 1)
    selection = {"sample_selection": {"sampler": "random", "strategy": "percent", "strategy.percent.p": 0.5}}
    train = {**selection, "max_samples_per_class": 2}
    run(configured(case, obia={"obia_segmentation_path": str(path), "full_learn_segment": whole}, train=train))
    found = require_whole_losses(case)
    for what in ("no_segment", "other_class", "selection", "samples"):
        assert found[what].pixels, what


REGIONS = {"region_field": "region", "list_tile": f"{WEST},{EAST}"}


def parcels_in_region(case: Case, region: str) -> Path:
    """A file with the fields whose border is inside a region."""
    regions = gpd.read_file(case.files.regions).to_crs(IMAGES)
    area = regions[regions["region"].astype(str) == region].union_all()
    table = parcels(case)
    table[table.within(area)].to_file(case.files.folder / "some.gpkg")
    return case.files.folder / "some.gpkg"


def test_a_region_without_labelled_segments_has_no_class_in_the_map(case: Case) -> None:
    """The other region is mapped as usual, also with a reduction and additional samples."""
    more = {"activate": True, "samples.strategy": "balance", "strategy": "replicate", "target_models": ["all"]}
    path = configured(
        case,
        chain=REGIONS | {"region_path": str(case.files.regions)},
        obia={"obia_segmentation_path": str(parcels_in_region(case, "1"))},
        train={"sample_augmentation": more},
        dim_red={"dim_red": True, "target_dimension": 2},
        arg_classification={"enable_probability_map": True},
    )
    run(path)
    labels = {region: read(case.output / f"classif/Classif_{WEST}_model_{region}_seed_0.tif") for region in ("1", "2")}
    assert labels["1"].any()
    assert not labels["2"].any()
    reason = "there is no segment to learn from, or no clear date there"
    for text in said(case.output).values():
        assert f"Region 2, seed 0: {reason}, so the map has no class there." in text
    logs = (case.output / "logs/segmentSamples").glob("segment_samples_2_seed_0.*")
    assert "no sample to learn from; 0 segments" in "".join(log.read_text(encoding="utf-8") for log in logs)


def test_a_run_without_any_labelled_segment_is_an_error(case: Case) -> None:
    reference = gpd.read_file(case.files.ground_truth).to_crs(IMAGES)
    table = parcels(case)
    path = case.files.folder / "unlabelled.gpkg"
    table[table.disjoint(reference.union_all())].to_file(path)
    with pytest.raises(JobsFailed, match="Seed 0: there is no segment to learn from"):
        run(configured(case, chain=BOTH, obia={"obia_segmentation_path": str(path)}))
    assert not [*case.output.glob("final/*.tif")], "no empty map"
