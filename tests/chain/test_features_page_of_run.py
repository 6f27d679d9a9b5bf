"""The page of a features map of a whole run, and the link to it in the run report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chain.helpers import EAST, MAPS, SMALL, WEST, Case, made, run


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return made(SMALL, tmp_path_factory.mktemp("page") / "world")


def mapped(case: Case, **sections: Mapping[str, Any]) -> Path:
    """Run the builder of features maps; returns the output folder."""
    chain = {"output_path": str(case.output), "list_tile": f"{WEST} {EAST}", "s2_path": str(case.files.s2_path)}
    options = {
        "chain": {**chain, "proj": MAPS, "remove_output_path": True, **sections.pop("chain", {})},
        "builders": {"builders_class_name": ["i2_features_map"]},
        **sections,
    }
    path = case.files.folder / "map.yaml"
    path.write_text(yaml.safe_dump(options), encoding="utf-8")
    run(path)
    return case.output


def test_the_run_report_links_to_the_page_of_the_features_map(case: Case) -> None:
    output = mapped(case, arg_train={"features": ["NDVI"]})
    page = (output / "final/features_map.html").read_text(encoding="utf-8")
    assert "Sentinel2: NDVI" in page
    assert page.count("data:image/webp;base64,") == page.count("<figure data-day=") > 0
    assert '<a href="../by_tiles/T31TCJ.vrt">' in page
    results = (output / "logs/html/results.html").read_text(encoding="utf-8")
    assert '<a href="../../final/features_map.html"><b>Open' in results
    assert "report.html" not in results

    mapped(case, arg_train={"features": ["NDWI"]}, chain={"remove_output_path": False, "last_step": "features"})
    results = (output / "logs/html/results.html").read_text(encoding="utf-8")
    assert "The requested steps make no page of results." in results
    assert 'A page of an earlier run exists: <a href="../../final/features_map.html">' in results


def test_raw_series_have_pictures_of_their_own(case: Case) -> None:
    output = mapped(case, features_map={"raw_series": True})
    page = (output / "final/features_map.html").read_text(encoding="utf-8")
    for title in ("Sentinel2", "raw_Sentinel2", "Sentinel2: NDVI", "raw_Sentinel2: NDVI"):
        assert f"<option>{title}</option>" in page


def test_the_page_of_a_zarr_store(case: Case) -> None:
    output = mapped(case, features_map={"output_format": "zarr"}, arg_train={"features": ["NDVI"]})
    page = (output / "final/features_map.html").read_text(encoding="utf-8")
    assert '<a href="features_map.zarr">' in page
    assert "Sentinel2: NDVI" in page
    assert page.count("data:image/webp;base64,") == page.count("<figure data-day=") > 0
