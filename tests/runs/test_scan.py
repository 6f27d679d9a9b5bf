"""The scan of several sensors: order, grid, and tiles without images of a sensor."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import rasterio
from affine import Affine

from iota2.chains.load import load_config
from iota2.core.grid import resolution
from iota2.core.remarks import texts_of
from iota2.errors import ConfigError, UserError
from iota2.io.archive.products import several_a_day
from iota2.runs.survey.survey import Survey, survey
from iota2.testing.world import DATES, WorldOptions
from tests.chain.helpers import EAST, WEST, Case, made

WORLD = WorldOptions(
    size=64, overlap=16, classes=3, dates=DATES[2:10:2], sensors=("Sentinel2", "Landsat8", "Sentinel1", "userFeat")
)
BOTH = f"{WEST} {EAST}"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return made(WORLD, tmp_path_factory.mktemp("scan") / "world")


def found(
    case: Case, *, missing: str = "models", arg_train: Mapping[str, object] = MappingProxyType({}), **chain: Any
) -> Survey:
    """The survey of both tiles with Sentinel-2, Landsat 8 and layers, with the given options of ``chain``.

    ``missing``: option ``missing_sensors``. ``arg_train``: options of this section.
    """
    given = {"list_tile": BOTH, "l8_path": str(case.files.l8_path), "user_feat_path": str(case.files.user_feat_path)}
    options = {"userFeat": {"patterns": "ALT,SLP"}, "arg_classification": {"missing_sensors": missing}}
    options |= {"arg_train": dict(arg_train)}
    config = case.configured(chain=given | chain, **options)
    return survey(load_config(config))


def only(archive: Path, tiles: str, folder: Path) -> str:
    """An archive with some of the tiles of another."""
    folder.mkdir()
    for tile in tiles.split():
        (folder / tile).symlink_to(archive / tile)
    return str(folder)


def test_sensors_keep_their_order_and_have_separate_dates(case: Case) -> None:
    survey_of_all = found(case, s1_path=str(case.files.s1_path))
    sensors = survey_of_all.recipe.sensors
    assert [s.sensor for s in sensors] == ["Landsat8", "sentinel1_asc", "sentinel1_des", "Sentinel2", "userFeatures"]
    assert sensors[0].dates[:2] == ("20180321", "20180406"), "every 16 days from the first image of any tile"
    assert sensors[2].dates[:2] == ("20180317", "20180329"), "every 12 days, from the INI file"
    assert sensors[3].dates[:2] == ("20180317", "20180327")
    assert survey_of_all.recipe.names[-2:] == ("ALT_band_0", "SLP_band_0")
    for tile, scene in survey_of_all.scenes.items():
        assert [s.spec.name for s in scene.sensors] == [s.sensor for s in sensors]
        assert scene.geobox == case.world.tile_geobox(tile)
    dated = {(row["tile"], row["sensor"]) for row in survey_of_all.rows(1)}
    assert dated == {(tile, s.sensor) for tile in (WEST, EAST) for s in sensors[:-1]}


def test_the_working_grid_is_that_of_the_reference_sensor(case: Case) -> None:
    assert resolution(found(case).scenes[WEST].geobox) == (10, 10)
    scene = found(case, reference_sensor="Landsat8").scenes[WEST]
    assert scene.geobox == scene.sensors[0].grids["B1"]
    assert resolution(scene.geobox) == (30, 30)
    with pytest.raises(UserError, match="'landsat' is not an enabled sensor with dates; expected one of Landsat8,"):
        found(case, reference_sensor="landsat")
    with pytest.raises(UserError, match="'userFeat' is not an enabled sensor with dates"):
        found(case, reference_sensor="userFeat")


def moved(archive: Path, folder: Path, east: float) -> Path:
    """A copy of an archive with all images moved east, in map units."""
    for path in archive.rglob("*"):
        target = folder / path.relative_to(archive)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".tif":
            shutil.copy(path, target)
            with rasterio.open(target, "r+") as file:
                file.transform = Affine.translation(east, 0) @ file.transform
    return folder


@pytest.mark.parametrize("allowed", [False, True])
def test_images_outside_the_tile_are_rejected_with_both_extents(case: Case, tmp_path: Path, allowed: bool) -> None:
    l8 = moved(case.files.l8_path, tmp_path / "l8", 600_000)
    layers = moved(case.files.user_feat_path, tmp_path / "layers", 10_000)
    with pytest.raises(UserError) as message:
        found(case, l8_path=str(l8), user_feat_path=str(layers), allow_missing_sensor=allowed)
    lines = str(message.value).splitlines()[1:]
    assert len(lines) == 2 * 3, "Landsat 8 and two layers on two tiles"
    left = case.world.tile_geobox(WEST).boundingbox.left
    (line,) = (
        line for line in lines if f"chain.l8_path: Landsat8, tile {WEST}: images of Landsat8 cover no part" in line
    )
    assert f"(x and y in EPSG:32631: x {left + 600_000:.0f} to " in line
    assert f"; the tile: x {left:.0f} to " in line
    assert sum(f"{WEST}/ALT" in line for line in lines) == 1


def test_images_of_a_small_part_of_the_tile_are_reported(case: Case, tmp_path: Path) -> None:
    side = case.world.tile_geobox(WEST).boundingbox.span_x
    l8 = moved(case.files.l8_path, tmp_path / "l8", round(side * 0.95 / 30) * 30)
    notes = texts_of(found(case, l8_path=str(l8), allow_missing_sensor=True, list_tile=WEST).notes[WEST])
    (note,) = (note for note in notes if note.startswith("Landsat8"))
    assert re.search(r"cover only [3-8]\.\d% of the tile \(first file: .*\.tif\)", note)
    assert not [note for note in texts_of(found(case).notes[WEST]) if "only" in note]


def test_optical_sensors_define_the_grid_before_radar_of_the_same_resolution(case: Case, tmp_path: Path) -> None:
    """Sentinel-1 precedes Sentinel-2 in the order of sensors, but does not change the grid."""
    radar = moved(case.files.radar, tmp_path / "radar", 4)
    shutil.copy(case.files.s1_path, radar)
    scene = found(case, s1_path=str(radar / case.files.s1_path.name)).scenes[WEST]
    assert scene.geobox == case.world.tile_geobox(WEST)


def test_an_orbit_direction_without_images_is_ignored_on_all_tiles(case: Case, tmp_path: Path) -> None:
    radar = Path(shutil.copytree(case.files.radar, tmp_path / "radar"))
    given = {"s1_path": str(radar / case.files.s1_path.name), "l8_path": None}
    for path in radar.rglob("*_ASC_*"):
        path.unlink()
    known = found(case, **given)
    series = ["sentinel1_des", "Sentinel2", "userFeatures"]
    assert [sensor.sensor for sensor in known.recipe.sensors] == series
    assert [options.spec.name for options in known.sensors] == series
    assert "Sentinel_1: no tile has ascending images, so there is no series sentinel1_asc." in texts_of(known.remarks)
    with pytest.raises(UserError, match="reference_sensor: no tile has images of sentinel1_asc"):
        found(case, reference_sensor="sentinel1_asc", **given)
    for path in radar.rglob("*_DES_*"):
        path.unlink()
    with pytest.raises(UserError, match="Sentinel_1: no image of S1Tiling in"):
        found(case, **given)


def test_the_folder_of_s1tiling_is_listed_once_per_survey(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images may appear between two scans while S1Tiling writes."""
    looks = []

    def once(*args: Any) -> tuple[str, ...]:
        looks.append(args)
        return ("sentinel1_asc",)

    monkeypatch.setattr("iota2.runs.survey.scan.series_found", once)
    known = found(case, s1_path=str(case.files.s1_path))
    assert len(looks) == 1
    assert "sentinel1_des" not in {sensor.sensor for sensor in known.recipe.sensors}
    assert all(one.spec.name != "sentinel1_des" for scene in known.scenes.values() for one in scene.sensors)


def test_a_tile_without_a_sensor_is_rejected_with_the_remedy(case: Case, tmp_path: Path) -> None:
    l8 = only(case.files.l8_path, WEST, tmp_path / "l8")
    with pytest.raises(UserError) as message:
        found(case, l8_path=l8, missing="mask")
    assert f"Landsat8: no folder for tile {EAST} in {l8}; it contains {WEST}" in str(message.value)
    assert "models: then models of the other sensors are used there." in str(message.value)


@pytest.mark.parametrize(("option", "value"), [("context", "smooth"), ("enable_autocontext", True)])
def test_the_remedy_for_a_tile_without_a_sensor_has_an_effect_with_a_context(
    case: Case, tmp_path: Path, option: str, value: object
) -> None:
    l8, context = only(case.files.l8_path, WEST, tmp_path / "l8"), {option: value}
    with pytest.raises(UserError) as message:
        found(case, l8_path=l8, arg_train=context)
    assert "missing_sensors" not in str(message.value)
    assert "Or set chain.allow_missing_sensor to True" in str(message.value)
    assert re.search(rf"arg_train.{option}( \(line \d+\))?, which needs all sensors, can also be", str(message.value))
    assert found(case, l8_path=l8, arg_train=context, allow_missing_sensor=True).recipe.allow_missing


def test_a_tile_without_a_sensor_is_predicted_by_models_of_the_others_but_needs_all_layers(
    case: Case, tmp_path: Path
) -> None:
    l8, layers = (only(path, WEST, tmp_path / path.name) for path in (case.files.l8_path, case.files.user_feat_path))
    whole, part = found(case), found(case, l8_path=l8)
    assert part.recipe == whole.recipe
    assert part.recipe.partial
    assert [s.spec.name for s in part.scenes[EAST].sensors] == ["Sentinel2", "userFeatures"]
    (note,) = (note for note in texts_of(part.notes[EAST]) if "no folder for tile" in note)
    assert "Models of the other sensors are used there (arg_classification.missing_sensors)." in note
    with pytest.raises(UserError, match="userFeat: no folder for tile") as message:
        found(case, user_feat_path=layers)
    assert "Or set chain.allow_missing_sensor to True" in str(message.value)


def test_a_tile_without_radar_images_has_one_remark_on_both_orbit_directions(case: Case, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / WEST[1:]).symlink_to(case.files.radar / "images" / WEST[1:])
    shutil.copy(case.files.s1_path, tmp_path)
    given = {"l8_path": None, "s1_path": str(tmp_path / case.files.s1_path.name)}
    part = found(case, **given)
    (note,) = (note for note in part.notes[EAST] if "no folder for tile" in note.text)
    assert (note.tile, note.sensor) == (EAST, "Sentinel_1")
    assert [s.sensor for s in part.recipe.sensors][:2] == ["sentinel1_asc", "sentinel1_des"]
    with pytest.raises(UserError) as message:
        found(case, missing="mask", **given)
    assert str(message.value).count("no folder for tile") == 1


def test_models_of_fewer_sensors_need_several_sensors_with_dates(case: Case) -> None:
    assert not found(case, l8_path=None).recipe.partial
    assert not found(case, missing="mask").recipe.partial
    assert not found(case, allow_missing_sensor=True).recipe.partial


def test_a_tile_may_lack_a_sensor_with_allow_missing_sensor(case: Case, tmp_path: Path) -> None:
    l8, layers = (only(path, WEST, tmp_path / path.name) for path in (case.files.l8_path, case.files.user_feat_path))
    whole = found(case)
    part = found(case, l8_path=l8, user_feat_path=layers, allow_missing_sensor=True)
    assert part.recipe.names == whole.recipe.names
    assert part.recipe.allow_missing
    assert [s.spec.name for s in part.scenes[EAST].sensors] == ["Sentinel2"]
    assert sum("no folder for tile" in note for note in texts_of(part.notes[EAST])) == 2
    assert {(row["tile"], row["sensor"]) for row in part.rows(1)} == {
        (WEST, "Landsat8"),
        (WEST, "Sentinel2"),
        (EAST, "Sentinel2"),
    }


def test_a_sensor_without_images_on_any_tile_is_always_an_error(case: Case, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="Landsat8: no tile has images"):
        found(case, l8_path=str(tmp_path / "empty"), allow_missing_sensor=True)
    s2 = only(case.files.s2_path, WEST, tmp_path / "s2")
    with pytest.raises(UserError, match=f"Sentinel_2: no folder for tile {EAST}"):
        found(case, s2_path=s2, l8_path=None, allow_missing_sensor=True)  # layers alone have no dates


def test_a_tile_without_the_finest_sensor_has_the_same_pixel_size(case: Case, tmp_path: Path) -> None:
    s2 = only(case.files.s2_path, EAST, tmp_path / "s2")
    for asked in (None, "Sentinel_2"):
        part = found(case, s2_path=s2, allow_missing_sensor=True, reference_sensor=asked)
        assert resolution(part.scenes[WEST].geobox) == resolution(part.scenes[EAST].geobox) == (10, 10)
        assert part.scenes[WEST].geobox.affine == case.world.tile_geobox(WEST).affine
        assert any("has no images of Sentinel2" in note for note in texts_of(part.notes[WEST]))


def test_problems_of_all_sensors_and_tiles_are_reported_together(case: Case, tmp_path: Path) -> None:
    s2 = only(case.files.s2_path, EAST, tmp_path / "s2")
    layers = only(case.files.user_feat_path, WEST, tmp_path / "layers")
    regions = {"region_path": str(case.files.regions), "region_field": "nowhere"}
    with pytest.raises(UserError) as message:
        found(case, missing="mask", s2_path=s2, user_feat_path=layers, **regions)
    for part in (f"Sentinel_2: no folder for tile {WEST}", f"userFeat: no folder for tile {EAST}", "nowhere"):
        assert part in str(message.value)


def test_layers_need_the_same_bands_on_every_tile(case: Case, tmp_path: Path) -> None:
    layers = Path(only(case.files.user_feat_path, WEST, tmp_path / "layers"))
    (layers / EAST).mkdir()
    for path in (case.files.user_feat_path / EAST).iterdir():
        with rasterio.open(path) as source:
            profile, values = source.profile, source.read()
        with rasterio.open(layers / EAST / path.name, "w", **profile | {"count": 2}) as target:
            target.write(values.repeat(2, axis=0))
    with pytest.raises(
        UserError, match=r"the layers of T31TDJ \(ALT_band_0, ALT_band_1, SLP.* differ from those of T31TCJ"
    ):
        found(case, user_feat_path=str(layers))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"arbo": "/../*"}, "userFeat.arbo: expected a pattern of folders below the folder of the tile"),
        ({"patterns": "ALT,alt"}, "userFeat.patterns: contains a pattern twice"),
        ({"patterns": "A*"}, "userFeat.patterns: expected letters, digits"),
        ({"resampling": "best"}, "userFeat.resampling: expected"),
    ],
)
def test_options_of_layers_are_checked(case: Case, options: dict[str, str], expected: str) -> None:
    chain = {"user_feat_path": str(case.files.user_feat_path)}
    with pytest.raises(ConfigError) as message:
        load_config(case.configured(chain=chain, userFeat=options))
    assert expected in str(message.value)


def test_layers_without_a_sensor_are_rejected_and_unused_options_reported(case: Case) -> None:
    alone = {"user_feat_path": str(case.files.user_feat_path), "s2_path": None}
    with pytest.raises(ConfigError, match=r"no sensor is enabled.*have no dates"):
        load_config(case.configured(chain=alone))
    config = load_config(case.configured(userFeat={"patterns": "ALT"}))
    assert any("userFeat: has no effect: chain.user_feat_path is not set" in message for message in config.warnings)


def test_several_products_of_a_day_are_reported(case: Case, tmp_path: Path) -> None:
    for tile in (WEST, EAST):
        shutil.copytree(case.files.s2_path / tile, tmp_path / tile)
    day = DATES[2]
    (product,) = (tmp_path / WEST).glob(f"*_{day:%Y%m%d}-*")
    again = product.with_name(re.sub(r"-\d{6}-", "-235959-", product.name))
    shutil.copytree(product, again)
    several = found(case, s2_path=str(tmp_path))
    message = f"Sentinel2, tile {WEST}: 2 products of {day}: "
    assert [note for note in texts_of(several.notes[WEST]) if "products of" in note] == [
        f"{message}their clear pixels are averaged"
    ]
    assert not [note for note in texts_of(several.notes[EAST]) if "products of" in note]
    raw = {"chain": {"list_tile": WEST, "s2_path": str(tmp_path)}}
    config = case.configured(**raw, sensors_data_interpolation={"use_gapfilling": False})
    assert f"{message}each is a separate date" in texts_of(survey(load_config(config)).notes[WEST])


def test_days_with_several_products_are_grouped() -> None:
    first, second, third, _ = DATES[:4]
    assert several_a_day(DATES[:4]) == ""
    assert several_a_day([first, second, second, second]) == f"3 products of {second}"
    days = [*DATES[:4], *DATES[:4]]
    assert several_a_day(days) == f"several products of each of 4 days ({first}, {second}, {third} and 1 more)"


def test_images_too_small_to_be_aligned_are_reported(case: Case) -> None:
    reference = sorted((case.files.s2_path / WEST).glob("*/*_FRE_B4.tif"))[0]
    given = {"chain": {"list_tile": WEST}, "coregistration": {"vhr_path": str(reference)}}
    (note,) = [
        message for message in texts_of(survey(load_config(case.configured(**given))).remarks) if "align" in message
    ]
    assert note == (
        f"coregistration: Sentinel2, tile {WEST}: 64 x 64 pixels are too few to align; at least 96 x 96 are needed; "
        "its dates are not moved."
    )
    assert not [message for message in texts_of(found(case).remarks) if "align" in message]
