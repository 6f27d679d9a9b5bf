"""Accuracy of the map by size of computed segments, against the map of pixels, on a synthetic world.

``python -m benchmarks.segment_sizes`` maps one world with segments of some sizes and pixel by pixel, from the same
learning polygons, and prints a Markdown table.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np

from benchmarks.table import table
from iota2 import layout
from iota2.chains.load import load_config
from iota2.io.rasters.files import RasterReader
from iota2.runs import runner
from iota2.testing.configurations import CLASSIFICATION, DEMOS, config_text
from iota2.testing.demo import write_demo
from iota2.testing.files import WorldFiles
from iota2.testing.world import World, WorldOptions, make_world

WORLD = WorldOptions(size=240, overlap=80)
SIZES = (5, 10, 20)


def accuracy(world: World, text: str, files: WorldFiles, name: str) -> tuple[Path, float]:
    """Run a configuration; returns its output folder, and the share of the classified pixels with the true class."""
    files = replace(files, config_name=f"{name}.cfg", output_name=name)
    files.config.write_text(config_text(text, WORLD.tiles, files, WORLD.sensors), encoding="utf-8")
    runner.run(load_config(files.config), runner.Options(workers=0), runner.Watcher())
    with RasterReader(files.output / layout.MAP.path.format(seed=0)) as reader:
        labels, truth = reader.read(reader.geobox), world.truth(reader.geobox)
    return files.output, float((labels == truth)[labels > 0].mean())


def main() -> None:
    """Map the world, and print the table."""
    world, rows = make_world(WORLD), []
    with tempfile.TemporaryDirectory() as name:
        files, _ = write_demo(world, Path(name, "world"), DEMOS["I2Obia"])
        _, share = accuracy(world, CLASSIFICATION, files, "pixels")
        rows.append(["pixels", "", "", f"{100 * share:.1f}"])
        for size in SIZES:
            text = DEMOS["I2Obia"].text.replace("segment_size : 10", f"segment_size : {size}")
            output, share = accuracy(world, text, files, f"segments_{size}")
            pixels = gpd.read_parquet(output / layout.ALL_SEGMENTS.path, columns=["pixels", "geometry"])["pixels"]
            rows.append([str(size), f"{len(pixels):,}", f"{np.median(pixels):.0f}", f"{100 * share:.1f}"])
    print(table(("`segment_size`", "segments", "median pixels", "correct pixels, %"), rows))


if __name__ == "__main__":
    main()
