"""Parcels as segments against the pixels of parcels, and doubtful parcels, on synthetic worlds with wrong declarations.

``python -m benchmarks.parcels --seeds 0 1 2 [--results FILE]`` maps the parcels of each world twice, with the same
learning parcels: as segments, and pixel by pixel, where a parcel gets the class of most of its pixels. It prints two
Markdown tables. With ``--results`` the figures are added to a JSON file of worlds with the same ``--noise``, all of
which are in the tables.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pandas as pd
import rasterio
from rasterio.features import rasterize

from benchmarks.table import table
from iota2 import layout
from iota2.chains.load import load_config
from iota2.core.tables import LEARN, VALIDATION
from iota2.io.tables.segment_labels import read_segment_labels
from iota2.io.tables.segments import Segments
from iota2.runs import runner
from iota2.testing.configurations import CLASSIFICATION, DEMOS, config_text
from iota2.testing.demo import write_demo
from iota2.testing.files import WorldFiles
from iota2.testing.world import WorldOptions, make_world

WORLD = WorldOptions(size=360, overlap=120)
SEEDS = (0, 1, 2, 3, 4)
SMALL = 10
"""Number of labelled pixels below which a parcel is small."""
PIXELS = CLASSIFICATION.replace("{ground_truth}", "{parcels}").replace(
    "'strategy' : 'constant', 'strategy.constant.nb' : 300", "'strategy' : 'all'"
)
"""Configuration of the map of pixels: the same data, sides and options, and all pixels of the learning parcels."""


def mapped(text: str, files: WorldFiles, name: str) -> Path:
    """Run a configuration, and return its output folder."""
    files = replace(files, config_name=f"{name}.cfg", output_name=name)
    files.config.write_text(config_text(text, WORLD.tiles, files, WORLD.sensors), encoding="utf-8")
    runner.run(load_config(files.config), runner.Options(workers=0), runner.Watcher())
    return files.output


def read_parcels(files: WorldFiles, output: Path) -> pd.DataFrame:
    """Parcels with a class, by number: declared and true class, side, labelled pixels, predicted class."""
    labels = read_segment_labels(output / layout.SEGMENT_LABELS.path.format(seed=0))
    labels["parcel"] = 0
    for tile in WORLD.tiles:
        own = labels["tile"] == tile
        identifier = Segments.read(output / layout.SEGMENT_TABLE.path.format(tile=tile)).identifier
        labels.loc[own, "parcel"] = identifier[labels.loc[own, "number"] - 1]
    used = labels[labels["reason"] == ""].set_index("parcel")[["side", "labelled"]]
    segments = gpd.read_parquet(output / layout.ALL_SEGMENTS.path, columns=["segment", "code", "geometry"])
    predicted = segments.dropna(subset="code").set_index("segment")["code"].astype(int).rename("segments")
    truth = pd.read_csv(files.parcels_truth).set_index("parcel")
    return truth.join(used, how="inner").join(predicted, how="inner")


def majority(files: WorldFiles, output: Path) -> pd.Series:
    """Class of most of the pixels of each parcel in the map."""
    parcels = gpd.read_file(files.parcels)
    with rasterio.open(output / layout.MAP.path.format(seed=0)) as source:
        labels, transform = source.read(1), source.transform
        moved = parcels.to_crs(source.crs)
    shapes = zip(moved.geometry, moved["parcel"], strict=True)
    numbers = rasterize(shapes, labels.shape, transform=transform, dtype="int32")
    pixels = pd.DataFrame({"parcel": numbers.ravel(), "label": labels.ravel()})
    counts = pixels[(pixels["parcel"] > 0) & (pixels["label"] > 0)].groupby(["parcel", "label"]).size()
    found = counts.sort_values(ascending=False, kind="stable").reset_index().drop_duplicates("parcel")
    return found.set_index("parcel")["label"].rename("pixels")


def measured(seed: int, noise: float) -> dict[str, float]:
    """Figures of a world; ``noise``: standard deviation of the reflectance x 10000 of a pixel."""
    world = make_world(replace(WORLD, seed=seed, noise=noise))
    with tempfile.TemporaryDirectory() as name:
        files, _ = write_demo(world, Path(name, "world"), DEMOS["parcels"])
        segments = mapped(DEMOS["parcels"].text, files, "segments")
        parcels = read_parcels(files, segments)
        parcels = parcels.join(majority(files, mapped(PIXELS, files, "pixels")), how="inner")
        doubtful = gpd.read_file(segments / layout.DOUBTFUL_SEGMENTS.path.format(seed=0))["segment"]
    parcels["wrong"] = parcels["declared"] != parcels["truth"]
    parcels["doubtful"] = parcels.index.isin(doubtful)
    return accuracies(parcels[parcels["side"] == VALIDATION]) | detection(parcels)


def accuracies(parcels: pd.DataFrame) -> dict[str, float]:
    """Share of validation parcels with their true class."""
    large = parcels[parcels["labelled"] >= SMALL]
    found = {"validation": len(parcels), "large validation": len(large)}
    for how in ("segments", "pixels"):
        found[how] = float((parcels[how] == parcels["truth"]).mean())
        found[f"large {how}"] = float((large[how] == large["truth"]).mean())
    return found


def detection(parcels: pd.DataFrame) -> dict[str, float]:
    """Numbers of wrong, doubtful, and wrong and doubtful parcels: all, of each side, and large ones."""
    parts = {"all": parcels, "large": parcels[parcels["labelled"] >= SMALL]}
    parts |= {side: parcels[parcels["side"] == side] for side in (LEARN, VALIDATION)}
    found: dict[str, float] = {"parcels": len(parcels)}
    for name, part in parts.items():
        found[f"{name} wrong"] = int(part["wrong"].sum())
        found[f"{name} doubtful"] = int(part["doubtful"].sum())
        found[f"{name} both"] = int((part["wrong"] & part["doubtful"]).sum())
    return found


def shares(found: dict[str, float], name: str) -> list[str]:
    """Precision and recall of the doubtful parcels, in percent, with their numbers."""
    both, doubtful, wrong = (int(found[f"{name} {what}"]) for what in ("both", "doubtful", "wrong"))
    return [
        f"{100 * both / max(1, doubtful):.0f} ({both}/{doubtful})",
        f"{100 * both / max(1, wrong):.0f} ({both}/{wrong})",
    ]


def main() -> None:
    """Measure some worlds, and print the tables of all worlds measured so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--noise", type=float, default=WORLD.noise, help="noise of the images")
    parser.add_argument("--results", type=Path, help="JSON file with figures by seed")
    given = parser.parse_args()
    known = json.loads(given.results.read_text(encoding="utf-8")) if given.results and given.results.exists() else {}
    for seed in given.seeds:
        known[str(seed)] = measured(seed, given.noise)
        if given.results:
            given.results.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    total = pd.DataFrame(known.values()).sum().to_dict()
    mean = pd.DataFrame(known.values()).mean().to_dict()
    ways = ("segments", "pixels", "large segments", "large pixels")
    rows = [
        [name, f"{one['validation']:.0f}", *(f"{100 * one[way]:.1f}" for way in ways)]
        for name, one in {**known, "mean": mean}.items()
    ]
    print(table(("landscape", "parcels", *ways), rows))
    parts = ("all", "large", LEARN, VALIDATION)
    head = [f"{part}, {what}" for part in parts for what in ("precision", "recall")]
    lines = [
        [name, f"{one['parcels']:.0f}", *(text for part in parts for text in shares(one, part))]
        for name, one in {**known, "all": total}.items()
    ]
    print(f"\n{table(('landscape', 'parcels', *head), lines)}")


if __name__ == "__main__":
    main()
