"""The chain on real images: 51 dates of tile T31UFQ, with a sensor description of the user's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rasterio

from iota2.chains.load import load_config
from iota2.runs.preview import survey_and_plan
from tests.chain.conftest import run_chain

ARCHIVE = Path(__file__).parents[3] / "shared/data/s2_theia_t31ufq"

DESCRIPTION = r"""
name: Sentinel2Six
section: Sentinel2Six
product: '^SENTINEL2[A-Z]_(?P<date>\d{8})-\d{6}-\d{3}_L2A_(?P<tile>T\d{2}[A-Z]{3})_.*'
bands:
  - {name: B2, file: '*_FRE_B2.tif'}
  - {name: B3, file: '*_FRE_B3.tif'}
  - {name: B4, file: '*_FRE_B4.tif', role: red}
  - {name: B8A, file: '*_FRE_B8A.tif', role: nir}
  - {name: B11, file: '*_FRE_B11.tif', role: swir}
  - {name: B12, file: '*_FRE_B12.tif'}
masks:
  - {name: CLM, file: 'MASKS/*_CLM_R2.tif'}
nodata: -10000
"""
CONFIGURATION = """
chain : {{
  output_path : 'results'
  list_tile : 'T31UFQ'
  user_sensors : {{ 'Sentinel2Six' : {{ 'path' : '{archive}', 'description' : 'six_bands.yaml' }} }}
  ground_truth : '{archive}/reference_data.shp'
  data_field : 'code'
  nomenclature_path : '{archive}/nomenclature.txt'
  color_table : '{archive}/colorFile.txt'
  proj : 'EPSG:2154'
}}
arg_train : {{
  runs : 5
  random_seed : 0
}}
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(not ARCHIVE.is_dir(), reason="the real images are not here")
def test_forest_is_reported_from_the_rest_on_real_images(tmp_path: Path) -> None:
    (tmp_path / "six_bands.yaml").write_text(DESCRIPTION, encoding="utf-8")
    path = tmp_path / "real.cfg"
    path.write_text(CONFIGURATION.format(archive=ARCHIVE), encoding="utf-8")
    config = load_config(path)
    found, _ = survey_and_plan(config)
    assert len(found.scenes["T31UFQ"].sensors[0].acquisitions) == 51
    run_chain(config)
    summary = json.loads((tmp_path / "results/final/metrics.json").read_text())["summary"]
    assert summary["runs"] == 5
    assert summary["overall_accuracy"]["mean"] >= 0.93
    with rasterio.open(tmp_path / "results/final/Classif_Seed_4.tif") as source:
        labels = source.read(1)
    assert set(labels.ravel().tolist()) == {0, 1, 2}


AS_SENTINEL_2 = """
chain : {{
  output_path : 'results'
  list_tile : 'T31UFQ'
  s2_path : '{archive}'
  ground_truth : '{archive}/reference_data.shp'
  data_field : 'code'
  nomenclature_path : '{archive}/nomenclature.txt'
  color_table : '{archive}/colorFile.txt'
  proj : 'EPSG:2154'
}}
iota2_feature_extraction : {{ extract_bands : True }}
Sentinel_2 : {{ keep_bands : ['B2', 'B3', 'B4', 'B8A', 'B11', 'B12'] }}
arg_train : {{ features : [], random_seed : 0 }}
"""


@pytest.mark.slow
@pytest.mark.skipif(not ARCHIVE.is_dir(), reason="the real images are not here")
@pytest.mark.long
def test_an_archive_of_six_bands_and_masks_of_20_m_is_mapped_as_sentinel_2(tmp_path: Path) -> None:
    path = tmp_path / "real.cfg"
    path.write_text(AS_SENTINEL_2.format(archive=ARCHIVE), encoding="utf-8")
    config = load_config(path)
    run_chain(config)
    summary = json.loads((tmp_path / "results/final/metrics.json").read_text())["summary"]
    assert summary["overall_accuracy"]["mean"] >= 0.93
    assert "MASKS/*_CLM_R2.tif is read instead" in (tmp_path / "results/final/report.html").read_text(encoding="utf-8")
