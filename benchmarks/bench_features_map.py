"""Features maps of a tile and year: time of each step against decoding the images, and peak memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.archives import Archive, archive, side_of
from benchmarks.figures import Figures
from benchmarks.tasks import run_task
from iota2.runs.records.records import Ledger

GROUP = "features map"
DECODE = "decode, every byte once"
CONFIG = """\
chain :
{{
  output_path : '{output}'
  list_tile : '{tile}'
  s2_path : '{s2_path}'
  spatial_resolution : 10
  proj : 'EPSG:2154'
}}
builders : {{ builders_class_name : ['I2FeaturesMap'] }}
{features}
"""
FEATURES = {
    "481 features": "",
    "481 features, Zarr": "features_map : { output_format : 'zarr' }",
    "111 indices": "iota2_feature_extraction : { copy_input : False }",
    "300 raw bands, int16": ("sensors_data_interpolation : { use_gapfilling : False }\narg_train : { features : [] }"),
}
"""Options of the features, by name."""
STEPS = ("featuresMap", "featuresMapMosaic", "featuresMapStrips", "featuresMapZarr", "featuresMapPage")


@pytest.mark.parametrize("name", FEATURES)
def bench_features_map(figures: Figures, bench_data: Path, megapixels: float, name: str) -> None:
    """All steps of a run on one core, and the time to decode the images once."""
    made = archive(bench_data, side_of(megapixels))
    config = _configured(made, name)
    size, pixels = {"megapixels": made.megapixels}, made.side**2
    command = [sys.executable, "-m", "iota2", "run", str(config), "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    output = _output(made)
    known = Ledger(output).records.values()
    for step in STEPS:
        if not (records := [one for one in known if one.id.startswith(f"{step}/")]):
            continue
        seconds, memory = sum(one.seconds for one in records), max(one.peak for one in records)
        more = {"memory": memory, "reference": DECODE} if name == next(iter(FEATURES)) else {"memory": memory}
        figures.add(GROUP, f"{name}: {step}", [seconds], pixels=pixels, **more, **size)
    files = sum(path.stat().st_size for path in (output / "by_tiles").iterdir())
    figures.remarks.append(f"{name}, {made.megapixels:g} megapixels: {files / 1e6:,.0f} MB of strips.")
    if name == next(iter(FEATURES)):
        decoding = run_task("extraction", config, "--points", 1000)["decoding"]
        figures.add(GROUP, DECODE, decoding["seconds"], pixels=pixels, **size)
    shutil.rmtree(output)


def _output(made: Archive) -> Path:
    return made.output.with_name("FeaturesMap")


def _configured(made: Archive, name: str) -> Path:
    path, (tile, *_) = made.files.folder / "features_map.cfg", [one.name for one in made.files.s2_path.iterdir()]
    text = CONFIG.format(output=_output(made), tile=tile, s2_path=made.files.s2_path, features=FEATURES[name])
    path.write_text(text, encoding="utf-8")
    return path
