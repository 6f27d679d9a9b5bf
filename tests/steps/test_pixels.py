"""Features of maps and samples are equal for all block shapes; only requested blocks are decoded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pytest

from iota2.compute.block_shapes import BlockShapes
from iota2.compute.features import feature_block
from iota2.core.cube import FeatureBlock
from iota2.core.grid import Block, blocks
from iota2.core.recipe import TEMPORAL_FEATURES, FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import builtin_specs
from iota2.io.series.reader import CubeReader, recipe_bands, series_reader
from iota2.steps.pixels import feature_blocks, feature_pixels
from iota2.testing.radar import write_radar
from iota2.testing.world import WorldOptions, make_world

TILE, BANDS = "T31TCJ", ("vv", "vh")
DATES = (date(2018, 3, 17), date(2018, 5, 11), date(2018, 8, 9))
RADII = {"sentinel1_asc": 3, "sentinel1_des": 0}
"""Radius of the speckle filter by sensor; 0: no filter."""
SHAPES = [BlockShapes((64, 64), (64, 64), (64, 64)), BlockShapes((14, 33), (7, 11), (28, 33))]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    world = make_world(WorldOptions(size=64, overlap=16, classes=3, dates=DATES))
    images = write_radar(world, tmp_path_factory.mktemp("radar")).parent / "images"
    sensors = tuple(scan_tile(builtin_specs()["Sentinel_1"].of(d), images, TILE)[0] for d in ("ASC", "DES"))
    return Scene(TILE, native_geobox(sensors[0]), sensors)


@pytest.fixture(scope="module")
def recipe() -> FeatureRecipe:
    dates = ("20180401", "20180501", "20180601")
    return FeatureRecipe(
        tuple(
            SensorRecipe(name, BANDS, {}, dates, indices=(), speckle_radius=radius, temporal=TEMPORAL_FEATURES)
            for name, radius in RADII.items()
        )
    )


@pytest.fixture(scope="module")
def whole(scene: Scene, recipe: FeatureRecipe) -> FeatureBlock:
    """The features of the tile, computed in one block without halo."""
    with CubeReader(scene, recipe_bands(recipe)) as reader:
        cubes = reader.read(next(blocks(TILE, scene.geobox, scene.geobox.shape)))
    return feature_block(cubes, recipe)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shapes", SHAPES)
def test_features_of_blocks_equal_those_of_the_whole_tile(
    scene: Scene, recipe: FeatureRecipe, whole: FeatureBlock, shapes: BlockShapes, threads: int
) -> None:
    def wanted(block: Block) -> list[tuple[Block, Block]]:
        return [(part, block) for part in blocks(TILE, scene.geobox, shapes.computed, block.rows, block.cols)]

    seen = np.zeros(scene.geobox.shape, int)
    order = shapes.in_order(TILE, scene.geobox)
    for block, features, around in feature_blocks(scene, recipe, order, wanted, threads=threads):
        place = (..., slice(*block.rows), slice(*block.cols))
        assert around in order, "what was prepared for the block"
        assert features.values.tobytes() == np.ascontiguousarray(whole.values[place]).tobytes()
        np.testing.assert_array_equal(features.n_valid, whole.n_valid[place])
        seen[place] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize(("share", "threads"), [(0.01, 1), (0.7, 3)])
@pytest.mark.parametrize("shapes", SHAPES)
def test_selected_pixels_have_the_features_of_the_whole_tile(
    scene: Scene, recipe: FeatureRecipe, whole: FeatureBlock, *, shapes: BlockShapes, share: float, threads: int
) -> None:
    rows, cols = np.nonzero(np.random.default_rng(3).random(scene.geobox.shape) < share)
    order = np.random.default_rng(4).permutation(len(rows))
    rows, cols = rows[order], cols[order]
    seen = np.zeros(len(rows), int)
    for at, features in feature_pixels(scene, recipe, shapes, rows, cols, threads=threads):
        np.testing.assert_array_equal(features.values[:, 0], whole.values[:, rows[at], cols[at]])
        np.testing.assert_array_equal(features.n_valid[0], whole.n_valid[rows[at], cols[at]])
        seen[at] += 1
    assert (seen == 1).all()


def test_the_speckle_filter_changes_only_features_of_its_sensor(
    scene: Scene, recipe: FeatureRecipe, whole: FeatureBlock
) -> None:
    with CubeReader(scene, recipe_bands(recipe)) as reader:
        cubes = reader.read(next(blocks(TILE, scene.geobox, scene.geobox.shape)))
    unfiltered = feature_block(cubes, recipe.pointwise)
    changed = (whole.values != unfiltered.values).any(axis=(1, 2))
    assert unfiltered.names == whole.names
    assert changed.tolist() == [name.startswith("sentinel1_asc") for name in whole.names]


def test_blocks_that_are_not_requested_are_not_decoded(
    scene: Scene, recipe: FeatureRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, decoded = CubeReader._decode, []
    monkeypatch.setattr(CubeReader, "_decode", lambda self, block: [decoded.append(block), plain(self, block)][1])
    strips = list(blocks(TILE, scene.geobox, (16, 64)))
    wanted: Mapping[Block, list[tuple[Block, str]]] = {block: [] for block in strips} | {strips[2]: [(strips[2], "a")]}
    found = [
        (block, prepared) for block, _, prepared in feature_blocks(scene, recipe, strips, lambda block: wanted[block])
    ]
    assert found == [(strips[2], "a")]
    assert decoded == [strips[2]]


def test_cubes_of_a_released_block_are_an_error(scene: Scene, recipe: FeatureRecipe) -> None:
    strips = list(blocks(TILE, scene.geobox, (16, 64)))
    with series_reader(scene, recipe) as reader:
        (_, first), (_, second) = reader.blocks(strips[:2])
    for decoded in (first, second):
        with pytest.raises(ValueError, match=r"tile T31TCJ: the block of rows \(.*\) has been released"):
            decoded.cubes(strips[0])


def test_a_halo_larger_than_the_decoded_one_is_an_error(scene: Scene, recipe: FeatureRecipe) -> None:
    middle = list(blocks(TILE, scene.geobox, (16, 64)))[1]
    with series_reader(scene, recipe) as reader:
        for block, decoded in reader.blocks([middle]):
            cubes = decoded.cubes(block, {"sentinel1_asc": 3})
            assert {name: cube.margins for name, cube in cubes.items()} == {
                "sentinel1_asc": (3, 3, 0, 0),
                "sentinel1_des": (0, 0, 0, 0),
            }
            assert cubes["sentinel1_asc"].block_shape == block.shape
            with pytest.raises(ValueError, match=r"rows \(12, 36\), .* outside the decoded area, rows \(13, 35\)"):
                decoded.cubes(block, {"sentinel1_asc": 4})


def test_the_halo_is_the_largest_of_the_sensors_and_does_not_affect_names(recipe: FeatureRecipe) -> None:
    assert recipe.halos == RADII
    assert recipe.halo == 3
    assert recipe.pointwise.halo == 0
    assert recipe.pointwise.names == recipe.names
    assert FeatureRecipe(()).halo == 0
    assert FeatureRecipe.from_json(recipe.to_json()).halo == 3
