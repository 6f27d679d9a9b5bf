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
    """All jobs of each longer step of a run, one after the other, on one thread; and decoding of the images."""
    made = archive(bench_data, side_of(megapixels))
    config, which = _configured(made, name), "processor" if figures.processor_time else "seconds"
    size, pixels = {"megapixels": made.megapixels}, made.side**2
    command = [sys.executable, "-m", "iota2", "run", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    output, whole = _output(made), name == next(iter(FEATURES))
    made_by = {one.id.partition("/")[0] for one in Ledger(output).records.values()}
    files = sum(path.stat().st_size for path in (output / "by_tiles").rglob("*"))
    figures.remarks.append(f"{name}, {made.megapixels:g} megapixels: {files / 1e6:,.0f} MB of strips.")
    for step in (step for step in STEPS if step in made_by):
        message = run_task("step", config, "--step", step)
        more = {"memory": message["memory"], **({"reference": DECODE} if whole else {})}
        figures.add(GROUP, f"{name}: {step}", message[which], pixels=pixels, **more, **size)
    if whole:
        decoding = run_task("extraction", config, "--points", 1000)["decoding"]
        figures.add(GROUP, DECODE, decoding[which], pixels=pixels, **size)
    shutil.rmtree(output)


def _output(made: Archive) -> Path:
    return made.output.with_name("FeaturesMap")


def _configured(made: Archive, name: str) -> Path:
    path, (tile, *_) = made.files.folder / "features_map.cfg", [one.name for one in made.files.s2_path.iterdir()]
    text = CONFIG.format(output=_output(made), tile=tile, s2_path=made.files.s2_path, features=FEATURES[name])
    path.write_text(text, encoding="utf-8")
    return path
