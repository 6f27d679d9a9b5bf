"""The INI file of Sentinel-1: settings, keys without effect, problems with their lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iota2.config.s1_ini import KEYS, USED, read_s1_ini
from iota2.errors import ConfigError

FULL = """\
[Paths]
Output : images
S1Images = /data/raw
SRTM = /data/srtm
GeoidFile = egm96.grd

[Processing]
ManyProjection = False
ReferencesFolder = /data/ref
RasterPattern = STACK.tif
FilteringMode = multi  ; as in 2020
TemporalResolution = 12
gapFilling_interpolation = linear
OutputSpatialResolution = 10.
TilesShapefile = tiles.shp
SRTMShapefile = srtm.shp
Orthorectification_gridspacing = 40
BorderThreshold = 1e-3
Tiles = 31TCJ
Mode = Normal
RAMPerProcess = 5000
writeTemporaryFiles = False
getMasks = True
outputStack = True

[Filtering]
Window_radius = 3

[Features]
expression = VV/VH, max(VV, VH)
"""


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "s1.ini"


def problems(ini: Path, text: str) -> list[str]:
    ini.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_s1_ini(ini)
    assert caught.value.source == str(ini)
    return list(caught.value.problems)


def test_each_key_of_a_legacy_file_without_effect_is_reported_once_with_the_reason(ini: Path) -> None:
    ini.write_text(FULL, encoding="utf-8")
    settings = read_s1_ini(ini)
    assert (settings.output, settings.raw) == (ini.parent / "images", Path("/data/raw"))
    assert (settings.temporal_resolution, settings.speckle_radius) == (12, 3)
    assert settings.expressions == "VV/VH, max(VV, VH)"
    for section, keys in KEYS.items():
        for key, reason in keys.items():
            named = [text for text in settings.warnings if re.search(rf"\[{section}\] {key}[,:]", text)]
            assert [text.partition(": no effect: ")[2] for text in named] == ([] if reason == USED else [reason])


def test_only_the_folder_of_images_is_needed(ini: Path) -> None:
    ini.write_text("[Paths]\noutput = images\n", encoding="utf-8")
    settings = read_s1_ini(ini)
    assert (settings.temporal_resolution, settings.speckle_radius, settings.expressions) == (10, 2, "")
    assert (settings.raw, settings.warnings) == (None, ())


def test_mono_disables_the_filter_with_a_warning(ini: Path) -> None:
    ini.write_text("[Paths]\nOutput: images\n[Processing]\nFilteringMode: Mono\n", encoding="utf-8")
    settings = read_s1_ini(ini)
    assert settings.speckle_radius == 0
    assert "mono: dates are not filtered" in settings.warnings[0]


def test_none_and_empty_values_count_as_absent(ini: Path) -> None:
    ini.write_text("[Paths]\nOutput: 'images'\nS1Images:\n[Features]\nexpression: None\n", encoding="utf-8")
    settings = read_s1_ini(ini)
    assert (settings.raw, settings.expressions, settings.output.name) == (None, "", "images")


def test_all_problems_are_reported_together_with_their_lines(ini: Path) -> None:
    text = (
        "[Paths]\nOutput = nowhere\n[Processing]\n# a comment\nTemporalResolutoin = 10\nTemporalResolution = 0\n"
        "gapFilling_interpolation = spline\nFilteringMode = both\nexpression = VV\n[Filter]\nx = 1\n[Filtering]\n"
        "Window_radius = 2.5\n"
    )
    assert problems(ini, text) == [
        f"line 2: [Paths] Output: expected an existing folder; there is no folder {ini.parent / 'nowhere'}",
        "line 5: [Processing] temporalresolutoin is unknown; did you mean 'TemporalResolution'?",
        "line 6: [Processing] TemporalResolution: expected a whole number from 1, got '0'",
        "line 7: [Processing] gapFilling_interpolation: expected linear, got 'spline'",
        "line 8: [Processing] FilteringMode: expected multi or mono, got 'both'",
        "line 9: [Processing] expression is unknown; it belongs to [Features]",
        "line 10: [Filter] is an unknown section; did you mean 'Filtering'?",
        "line 13: [Filtering] Window_radius: expected a whole number from 1 to 15, got '2.5'",
    ]


def test_a_file_without_the_folder_of_images_is_rejected(ini: Path) -> None:
    assert problems(ini, "[Processing]\nTemporalResolution = 5\n") == [
        "[Paths] Output is missing; give the output folder of S1Tiling"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Output = images\n", "is no INI file: File contains no section headers"),
        ("[Paths]\nOutput = images\nOutput = images\n", "is no INI file: While reading"),
        ("[Paths]\nOutput\n", "is no INI file: Source contains parsing errors"),
        ("[PATHS]\noutput = x\n[DataSource]\ndownload = True\n", "is a file of S1Tiling"),
    ],
)
def test_other_files_are_rejected_with_a_message_of_one_line(ini: Path, text: str, message: str) -> None:
    (problem, *_) = problems(ini, text)
    assert problem.startswith(message)
    assert "\n" not in problem


def test_undecodable_and_missing_files_are_rejected(ini: Path) -> None:
    ini.write_bytes(b"\xff\xfe\x00[Paths]")
    with pytest.raises(ConfigError, match="is no INI file"):
        read_s1_ini(ini)
    ini.unlink()
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_s1_ini(ini)


def test_a_percent_sign_is_not_interpolated(ini: Path) -> None:
    (ini.parent / "50%(x)s").mkdir()
    ini.write_text("[Paths]\nOutput = 50%(x)s\n", encoding="utf-8")
    assert read_s1_ini(ini).output.name == "50%(x)s"


def test_the_page_on_sentinel_1_names_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "sentinel-1.md").read_text(encoding="utf-8")
    assert [key for keys in KEYS.values() for key in keys if f"`{key}`" not in page] == []


def test_the_pattern_of_the_names_is_checked_with_its_line(ini: Path) -> None:
    text = "[Paths]\nOutput = images\nFilePattern = {0}\n"
    pattern = "{satellite}_{tile}_{polarisation}_{direction}_{orbit}_{date}t{time}_gamma.tif"
    ini.write_text(text.replace("{0}", pattern), encoding="utf-8")
    assert read_s1_ini(ini).pattern == pattern
    ini.write_text(text.replace("FilePattern = {0}", ""), encoding="utf-8")
    assert read_s1_ini(ini).pattern == ""
    (message,) = problems(ini, text.replace("{0}", "{polarisation}_{date}.tif"))
    assert message.startswith("line 3: [Paths] FilePattern: expected {direction} or {orbit_direction} in it, got ")
