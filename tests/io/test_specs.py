"""Sensor descriptions: the built-in ones match their products, and all mistakes are reported at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iota2.errors import ConfigError, InputError
from iota2.io.archive.rejected import near_miss
from iota2.io.archive.specs import builtin_specs, load_spec, parse_spec

OTHER = """
name: Forest
section: Forest_20
product: '^(?P<date>\\d{8})_.*'
bands:
  - {name: RED, file: '*_red.tif', role: red}
  - {name: NIR, file: '*_all.tif', role: nir, index: 2}
masks:
  - {name: CLOUD, file: 'MASKS/*_R2.tif', bits: [1, 4]}
  - {name: SCENE, file: '*_scl.tif', values: [0, 3], edge: true, optional: true}
scale: 0.0000275
offset: -0.2
nodata: 0
resampling: bilinear
ignore: ['*.zip']
"""


def test_sentinel_2_has_the_ten_bands_in_feature_order_and_the_three_masks() -> None:
    spec = builtin_specs()["Sentinel_2"]
    assert spec.name == "Sentinel2"
    assert spec.band_names == ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
    assert dict(spec.roles) == {"blue": "B2", "green": "B3", "red": "B4", "nir": "B8", "swir": "B11"}
    assert [mask.file for mask in spec.masks] == [f"MASKS/*_{name}_R1.tif" for name in ("CLM", "SAT", "EDG")]
    assert [mask.name for mask in spec.masks if mask.edge] == ["EDG"]
    assert (spec.nodata, spec.scale, spec.offset, spec.temporal_resolution) == (-10000, 1, 0, 10)
    assert spec.reference.name == "B2"


@pytest.mark.parametrize(
    "name",
    [
        "SENTINEL2A_20180511-105804-037_L2A_T31TCJ_D_V1-7",
        "SENTINEL2C_20250511-105804-037_L2A_T31TCJ_C_V4-0",
    ],
)
def test_date_and_tile_are_read_from_sentinel_2_product_names_of_any_year(name: str) -> None:
    match = re.match(builtin_specs()["Sentinel_2"].product, name)
    assert match is not None
    assert (match["date"][4:], match["tile"]) == ("0511", "T31TCJ")


def test_all_keys_of_a_user_description_are_read(tmp_path: Path) -> None:
    path = tmp_path / "forêt.yaml"
    path.write_text(OTHER, encoding="utf-8")
    spec = load_spec(path)
    assert spec.bands[1].index == 2
    assert spec.masks[0].bits == (1, 4)
    assert spec.masks[1].values == (0, 3)
    assert spec.masks[1].edge
    assert spec.masks[1].optional
    assert (spec.scale, spec.offset, spec.nodata, spec.resampling) == (2.75e-5, -0.2, 0, "bilinear")
    assert spec.ignore == ("*.zip",)
    assert spec.reference.name == "RED"


def test_all_mistakes_are_reported_at_once_with_their_lines() -> None:
    text = OTHER.replace("resampling: bilinear", "resampling: quadratic").replace("nodata:", "no_data:")
    text = text.replace("bits: [1, 4]", "bits: [40]").replace("index: 2", "index: 0")
    with pytest.raises(ConfigError) as caught:
        parse_spec(text, source="forest.yaml")
    message = str(caught.value)
    assert message.startswith("forest.yaml: 4 problems")
    assert "line 13: the sensor has an unknown key 'no_data' (did you mean 'nodata'?)" in message
    assert "line 14: the sensor: resampling must be one of cubic, bilinear, nearest, not 'quadratic'" in message
    assert "line 9: mask 1: bits must be a list of bit numbers from 0 to 31, not [40]" in message
    assert "line 7: band 2: index must be a whole number from 1, not 0" in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("(?P<date>\\d{8})", "\\d{8}", "a group for the date"),
        ("(?P<date>\\d{8})", "(?P<date>\\d{8}", "regular expression"),
        ("name: NIR", "name: RED", "'RED' is given to 2"),
        ("role: nir", "role: red", "the role 'red' is given to 2 bands"),
        ("'*_red.tif'", "'../*_red.tif'", "inside the product folder"),
        ("scale: 0.0000275", "scale: 0", "a number other than 0"),
        ("scale: 0.0000275", "scale: .nan", "a finite number"),
        ("scale: 0.0000275", "scale: .inf", "a finite number"),
        ("scale: 0.0000275", "reference_band: BLUE", "not one of the bands"),
        ("name: Forest\n", "", "lacks the key 'name'"),
        ("name: Forest\n", "name: Forest\nname: Wood\n", "'name' twice"),
        ("nodata: 0", "nodata: none", "must be a finite number"),
        ("nodata: 0", "nodata: !!python/object:os.system {}", "must be plain"),
        ("masks:", "masks: [", "not valid YAML"),
        ("masks:", "masks: " + "[" * 5000, "not valid YAML: values are nested too deeply"),
    ],
)
def test_a_mistake_is_rejected_with_what_was_expected(old: str, new: str, expected: str) -> None:
    assert old in OTHER
    with pytest.raises(ConfigError, match=re.escape(expected)):
        parse_spec(OTHER.replace(old, new), source="forest.yaml")


def test_a_text_that_is_not_a_mapping_is_rejected() -> None:
    with pytest.raises(ConfigError, match="must be a mapping"):
        parse_spec("- a\n- b\n", source="x")
    with pytest.raises(ConfigError, match="must be a mapping"):
        parse_spec("", source="x")


def test_a_user_description_must_not_have_the_section_of_another_sensor(tmp_path: Path) -> None:
    (tmp_path / "copy.yaml").write_text(OTHER.replace("Forest_20", "Sentinel_2"), encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"'Sentinel_2' belongs to a built-in sensor; expected another name, such as 'Forest'"
    ):
        load_spec(tmp_path / "copy.yaml")


def test_a_missing_description_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_spec(tmp_path / "nowhere.yaml")


def test_every_optical_sensor_has_the_bands_of_the_indices() -> None:
    """Landsat 5 has no coastal blue band: its red is band 3, as in the instrument."""
    roles = {section: tuple(spec.roles[role] for role in ("red", "nir", "swir")) for section, spec in OPTICAL.items()}
    assert roles == {
        "Landsat5_old": ("B3", "B4", "B5"),
        "Landsat8": ("B4", "B5", "B6"),
        "Landsat8_old": ("B4", "B5", "B6"),
        "Landsat8_usgs_optical": ("B4", "B5", "B6"),
        "Sentinel_2": ("B4", "B8", "B11"),
        "Sentinel_2_L3A": ("B4", "B8", "B11"),
        "Sentinel_2_S2C": ("B04", "B08", "B11"),
    }


OPTICAL = {section: spec for section, spec in builtin_specs().items() if spec.spectral}


def test_sections_and_temporal_resolutions_agree_with_the_configuration() -> None:
    assert {section: (spec.name, spec.temporal_resolution) for section, spec in OPTICAL.items()} == {
        "Landsat5_old": ("Landsat5Old", 16),
        "Landsat8": ("Landsat8", 16),
        "Landsat8_old": ("Landsat8Old", 16),
        "Landsat8_usgs_optical": ("Landsat8UsgsOptical", 16),
        "Sentinel_2": ("Sentinel2", 10),
        "Sentinel_2_L3A": ("Sentinel2L3A", 10),
        "Sentinel_2_S2C": ("Sentinel2S2C", 10),
    }


FLAT = """
name: Flat
section: Flat
product: '^(?P<product>sky_(?P<date>\\d{8}))_\\w+\\.tif$'
products: files
tile_folder: '{mgrs}'
varying_extent: true
spectral: false
bands:
  - {name: VV, file: '*_vv.tif', id: 4, assets: [vv, VV]}
  - {name: VH, file: '*_vh.tif', id: 'VH'}
masks:
  - {name: EDGE, file: '*_edge.tif', edge: true, assets: [mask]}
metadata: {file: '*.xml', quantification: 'n.*_VALUE', offset: ADD-1}
nodata: 0
"""


def test_keys_of_other_archive_layouts_are_read() -> None:
    spec = parse_spec(FLAT, source="flat.yaml")
    assert (spec.products, spec.tile_folder, spec.varying_extent, spec.spectral) == ("files", "{mgrs}", True, False)
    assert [(band.id, band.assets) for band in spec.bands] == [("4", ("vv", "VV")), ("VH", ())]
    assert spec.masks[0].assets == ("mask",)
    assert spec.metadata is not None
    assert (spec.metadata.file, spec.metadata.quantification, spec.metadata.offset) == ("*.xml", "n.*_VALUE", "ADD-1")
    plain = parse_spec(OTHER, source="forest.yaml")
    assert (plain.products, plain.tile_folder, plain.varying_extent, plain.spectral) == (
        "folders",
        "{tile}",
        False,
        True,
    )
    assert plain.metadata is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("products: files", "products: file", "line 5: the sensor: products must be one of folders, files, not 'file'"),
        ("'{mgrs}'", "'31TCJ'", "line 6: the sensor: tile_folder must be the name of a folder with {tile} or {mgrs}"),
        ("'{mgrs}'", "'../{tile}'", "tile_folder must be the name of a folder"),
        ("'{mgrs}'", "'a/{tile}'", "tile_folder must be the name of a folder"),
        ("extent: true", "extent: 1", "varying_extent must be true or false, not 1"),
        ("spectral: false", "spectral: radar", "spectral must be true or false, not 'radar'"),
        ("id: 4", "id: [4]", "line 10: band 1: id must be a number or a text, not [4]"),
        ("id: 4, ", "", "the band 'VV' has no id, which metadata.offset needs"),
        ("[vv, VV]", "vv", "line 10: band 1: assets must be a list of names or patterns, not 'vv'"),
        ("file: '*.xml'", "file: '/*.xml'", "line 14: metadata: file must be a pattern inside the product folder"),
        ("offset: ADD-1", "offset: 'a b'", "line 14: metadata: offset must be the name of an XML element"),
        ("file: '*.xml', ", "", "line 14: metadata lacks the key 'file'"),
        ("offset: ADD-1", "offsets: ADD-1", "metadata has an unknown key 'offsets' (did you mean 'offset'?)"),
        (
            "{file: '*.xml', quantification: 'n.*_VALUE', offset: ADD-1}",
            "MTD.xml",
            "line 14: metadata must be a mapping",
        ),
    ],
)
def test_a_mistake_in_these_keys_is_rejected_with_what_was_expected(old: str, new: str, expected: str) -> None:
    assert old in FLAT
    with pytest.raises(ConfigError, match=re.escape(expected)):
        parse_spec(FLAT.replace(old, new), source="flat.yaml")


ALIKE = "mistaken_for:\n  - {name: '^raw_\\d{8}', is: 'not corrected; level 2 is needed'}\n"


def test_look_alikes_are_reported_with_the_text_of_the_description(tmp_path: Path) -> None:
    spec = parse_spec(OTHER + ALIKE, source="forest.yaml")
    assert near_miss(spec, str(tmp_path), "raw_20180511_a") == "not corrected; level 2 is needed"
    assert near_miss(spec, str(tmp_path), "raw_2018") == ""
    assert near_miss(builtin_specs()["Sentinel_2"], str(tmp_path), "raw_20180511_a") == ""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("'^raw_\\d{8}'", "'^raw_(\\d{8}'", "look-alike 1: name must be a regular expression"),
        (", is: 'not corrected; level 2 is needed'", "", "look-alike 1 lacks the key 'is'"),
        ("is:", "are:", "look-alike 1 has an unknown key 'are'"),
    ],
)
def test_a_mistake_in_a_look_alike_is_rejected(old: str, new: str, expected: str) -> None:
    assert old in ALIKE
    with pytest.raises(ConfigError, match=re.escape(expected)):
        parse_spec(OTHER + ALIKE.replace(old, new), source="forest.yaml")


@pytest.mark.parametrize("section", sorted(builtin_specs()))
def test_no_product_of_a_sensor_matches_its_own_look_alikes(section: str) -> None:
    spec = builtin_specs()[section]
    assert [kind for kind in spec.mistaken_for if re.match(kind.name, spec.example)] == []
