"""Remarks in the run report are shown with the series that they concern."""

from __future__ import annotations

from datetime import date

import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.remarks import Remark
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.io.archive.specs import builtin_specs
from iota2.runs.progress.input_views import _texts_by_sensor

GRID = GeoBox((2, 2), Affine(10, 0, 0, 0, -10, 20), "EPSG:32631")


def series(name: str) -> SensorScene:
    spec = builtin_specs()[name]
    one = Acquisition(spec.name, date(2018, 1, 1), "20180101", "P", {}, {}, {})
    return SensorScene(spec, (one,), dict.fromkeys(spec.band_names, GRID))


@pytest.mark.parametrize("about", ["name", "section"])
def test_a_remark_is_shown_with_its_series_whatever_its_text(about: str) -> None:
    scene = Scene("T", GRID, (series("Landsat8"), series("Sentinel_2")))
    second = scene.sensors[1].spec
    sensor = second.name if about == "name" else second.section
    remarks = [Remark("Landsat8, tile T: words that mislead", "images", "T", sensor), Remark("of all", "images", "T")]
    assert _texts_by_sensor(scene, remarks) == [("of all",), ("Landsat8, tile T: words that mislead",)]
