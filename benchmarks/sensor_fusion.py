"""Accuracy of maps from several sensors, against each sensor alone, on cloudy synthetic worlds.

``python -m benchmarks.sensor_fusion --seeds 0 1 2 [--results FILE]`` maps each world from each sensor alone and from
all sensors together, and prints a Markdown table. With ``--results`` the figures are added to a JSON file, and the
table has all worlds of the file, so that worlds may be measured in several calls.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.table import table
from iota2 import layout
from iota2.chains.load import load_config
from iota2.io.rasters.files import RasterReader
from iota2.runs import runner
from iota2.testing.files import SENSOR_PATHS, WorldFiles
from iota2.testing.world import World, WorldOptions, make_world
from iota2.testing.writing import write_world

TILE = "T31TCJ"
EVERY = tuple(SENSOR_PATHS)
ALONE = ("Sentinel2", "Landsat8", "Sentinel1")
WORLD = WorldOptions(size=200, overlap=60, tiles=(TILE,), classes=10, cover=0.5, sensors=EVERY)
"""On a usual date half of the area is under clouds; a part of it is never seen by any optical sensor."""
FUSION = "  dempster_shafer_sar_opt_fusion : True\n"
TOGETHER = {
    "models": "missing_sensors : 'models'",
    "mask": "missing_sensors : 'mask'",
    "missing values": "",
    "Dempster-Shafer": "fusion_options : 'dempstershafer'",
    "mean": "fusion_options : 'mean'",
}
"""Ways to combine all sensors, by their name in the table, with the option; without it ``allow_missing_sensor``. The
last two combine an optical and a radar model."""
SEEDS = (0, 1, 3, 4, 5, 6, 7, 8, 10, 11)
"""The first ten seeds with which every class occurs in such a world."""
TOLERANCE = 0.005
"""Share of the area by which all sensors may be worse than the best of them."""


def map_of(files: WorldFiles, sensors: Sequence[str], together: str, folder: Path) -> np.ndarray:
    """Labels of the tile from some sensors, with one forest for the tile; 0 without label."""
    text = files.config.read_text(encoding="utf-8").replace(str(files.output), str(folder / "results"))
    for name in set(EVERY) - set(sensors):
        text = re.sub(rf"  {SENSOR_PATHS[name]} : .*\n", "", text)
    text = re.sub(r"  region_(path|field) : .*\n", "", text)
    text = text.replace("strategy.constant.nb' : 300", "strategy.constant.nb' : 600")
    text = text.replace("enable_probability_map : True", "enable_probability_map : False")
    if option := TOGETHER[together]:
        text = text.replace("  classif_mode", f"  {option}\n  classif_mode")
        if "fusion" in option:
            text = text.replace("  random_seed", f"{FUSION}  random_seed")
    else:
        text = text.replace("  spatial_resolution", "  allow_missing_sensor : True\n  spatial_resolution")
    folder.mkdir()
    (folder / "run.cfg").write_text(text, encoding="utf-8")
    config = load_config(folder / "run.cfg")
    runner.run(config, runner.Options(workers=0), runner.Watcher())
    with RasterReader(config.chain.output_path / layout.TILE_LABELS.path.format(tile=TILE, seed=0)) as reader:
        return reader.read(reader.geobox)[: WORLD.size, : WORLD.size]


def measured(seed: int, ways: Sequence[str]) -> dict[str, float]:
    """Share of the area with the true label by sensor or combination, and shares without label of the latter.

    ``ways``: sensors and combinations to measure.
    """
    world: World = make_world(replace(WORLD, seed=seed))
    truth = world.truth(world.tile_geobox(TILE))
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_world(world, folder / "world")
        for sensor in (one for one in ALONE if one in ways):
            found[sensor] = float((map_of(files, [sensor], "models", folder / sensor) == truth).mean())
        for how in (one for one in TOGETHER if one in ways):
            labels = map_of(files, EVERY, how, folder / how)
            found[how] = float((labels == truth).mean())
            found[f"{how}, without label"] = float((labels == 0).mean())
    return found


def gain(found: dict[str, float]) -> float:
    """Share of the area by which ``models`` is better than the best sensor alone."""
    return found["models"] - max(found[sensor] for sensor in ALONE)


def row(seed: str, found: dict[str, float], better: float) -> list[str]:
    """A row of the table: percent. ``better``: the gain of ``models``."""
    shares = [found[name] for name in (*ALONE, *TOGETHER)]
    holes = [found[f"{name}, without label"] for name in ("models", "mask")]
    return [seed, *(f"{100 * one:.1f}" for one in shares), f"{100 * better:+.1f}"] + [
        f"{100 * one:.1f}" for one in holes
    ]


def main() -> None:
    """Measure some worlds, and print the table of all worlds measured so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--results", type=Path, help="JSON file with figures by seed")
    parser.add_argument("--ways", nargs="*", default=[*ALONE, *TOGETHER], help="sensors and combinations to measure")
    given = parser.parse_args()
    known = json.loads(given.results.read_text(encoding="utf-8")) if given.results and given.results.exists() else {}
    for seed in given.seeds:
        known[str(seed)] = known.get(str(seed), {}) | measured(seed, given.ways)
        if given.results:
            given.results.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    rows = [row(seed, known[seed], gain(known[seed])) for seed in sorted(known, key=int)]
    mean = {name: float(np.mean([one[name] for one in known.values()])) for name in next(iter(known.values()))}
    head = ("landscape", *ALONE, *TOGETHER, "models − best sensor", "no label: models", "no label: mask")
    print(table(head, [*rows, row("mean", mean, float(np.mean([gain(one) for one in known.values()])))]))
    worse = [seed for seed, one in known.items() if gain(one) < -TOLERANCE]
    print(f"\nworse than the best sensor by more than {100 * TOLERANCE:.1f} points: {', '.join(worse) or 'none'}")


if __name__ == "__main__":
    main()
