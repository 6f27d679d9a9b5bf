"""Accuracy of classifiers with and without temporal features, on labelled series and on synthetic worlds.

``python -m benchmarks.classifier_gain [FOLDER]`` prints a Markdown table. FOLDER contains files ``*.npz`` with ``X``
(sample, date, band), ``y`` (sample,) and ``tr`` (split, sample) bool: the samples of each split that are used for
learning. The others are used for validation.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from iota2.classifiers import train_model, validate_options
from iota2.compute.accuracy import confusion_matrix, scores
from iota2.compute.features import feature_block
from iota2.core.cube import Cube
from iota2.core.random import generator
from iota2.core.recipe import DEFAULT_INDICES, TEMPORAL_FEATURES, FeatureRecipe, SensorRecipe
from iota2.testing.classes import BANDS
from iota2.testing.world import DATES, WorldOptions, make_world

VARIANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "rf": ("rf", ()),
    "rf, differences": ("rf", TEMPORAL_FEATURES[:1]),
    "rf, statistics": ("rf", TEMPORAL_FEATURES[1:]),
    "rf, both": ("rf", TEMPORAL_FEATURES),
    "trees": ("trees", ()),
    "trees, both": ("trees", TEMPORAL_FEATURES),
}
"""Classifier with its default options, and temporal features."""
SEEDS = 3
"""Models for each split; the table has their mean."""
WORLDS = 4
WORLD_SAMPLES = 6000
WORLD_DAYS = 10
"""Days between the dates of the features of a world."""


@dataclass(frozen=True)
class Labelled:
    """Labelled series, and their splits."""

    name: str
    cube: Cube
    """Series of the samples in one row."""
    keys: tuple[str, ...]
    """Dates of the features."""
    codes: np.ndarray
    """(sample,) class codes from 1."""
    learning: np.ndarray
    """(split, sample) bool."""
    indices: tuple[str, ...] = ()


def stored(folder: Path) -> Iterator[Labelled]:
    """The series of a folder. Their dates are unknown; ten days between them are assumed."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            x, y, learning = file["X"], file["y"], file["tr"]
        days = tuple(date(2020, 1, 1) + timedelta(10 * k) for k in range(x.shape[1]))
        keys = tuple(f"{day:%Y%m%d}" for day in days)
        bands = tuple(f"b{k + 1}" for k in range(x.shape[2]))
        values = np.ascontiguousarray(x.transpose(1, 2, 0)[:, :, None], np.float32)
        cube = Cube(values, np.ones((len(days), 1, len(y)), bool), days, keys, bands, {})
        yield Labelled(path.stem, cube, keys, np.unique(y, return_inverse=True)[1] + 1, learning)


def drawn(number: int) -> Labelled:
    """Pixels of a cloudy, noisy synthetic world; whole fields learn or validate."""
    options = WorldOptions(size=320, overlap=32, noise=500.0, cover=0.4, dates=DATES, seed=number)
    world = make_world(options)
    rng = generator(number, "temporal_gain")
    at = rng.choice(world.truth(world.geobox).size, WORLD_SAMPLES, replace=False)
    fields = world.fields_at(world.geobox).ravel()[at]
    skies = [world.sky(day) for day in DATES]
    values = [
        [world.observed(day, band, sky).ravel()[at] for band in BANDS] for day, sky in zip(DATES, skies, strict=True)
    ]
    valid = np.array([~sky.invalid.ravel()[at] for sky in skies])
    keys = tuple(f"{day:%Y%m%d}" for day in DATES)
    roles = {"red": "B4", "nir": "B8", "swir": "B11"}
    cube = Cube(np.array(values, np.float32)[:, :, None], valid[:, None], DATES, keys, BANDS, roles)
    season = [DATES[0] + timedelta(k) for k in range(0, (DATES[-1] - DATES[0]).days + 1, WORLD_DAYS)]
    learning = rng.random(fields.max() + 1)[fields] < 0.5
    codes = world.truth(world.geobox).ravel()[at].astype(int)
    return Labelled(
        f"world {number}", cube, tuple(f"{day:%Y%m%d}" for day in season), codes, learning[None], DEFAULT_INDICES
    )


def measured(data: Labelled, classifier: str, temporal: tuple[str, ...]) -> tuple[np.ndarray, int]:
    """Accuracy and mean F-score (split and seed, 2), and the number of features."""
    cube = data.cube
    sensor = SensorRecipe("S", cube.bands, cube.roles, data.keys, indices=data.indices, temporal=temporal)
    recipe = FeatureRecipe((sensor,))
    block = feature_block({"S": cube}, recipe)
    x = block.values[:, 0].T
    seen = block.n_valid[0] > 0
    parameters, _ = validate_options(classifier, {})
    found = []
    for chosen in data.learning:
        learn, check = seen & chosen, seen & ~chosen
        for seed in range(SEEDS):
            model = train_model(
                classifier, parameters, x[learn], data.codes[learn], recipe=recipe, seed=seed, region="1", threads=1
            )
            labels = np.array(model.classes)[model.classifier.predict_proba(x[check]).argmax(axis=1)]
            found.append(_measures(data.codes[check], labels))
    return np.array(found), len(recipe.names)


def _measures(reference: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Overall accuracy, and the mean F-score of the classes with samples."""
    result = scores(confusion_matrix(reference, labels, np.union1d(reference, labels).tolist()))
    return result.overall_accuracy, float(np.nanmean(result.f_score))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="folder with labelled series")
    given = parser.parse_args().folder
    print("| data | learning / validation samples |", " | ".join(VARIANTS), "|")
    print("| --- | --- |", " | ".join("---" for _ in VARIANTS), "|")
    sets = [*(stored(given) if given else ()), *map(drawn, range(WORLDS))]
    for data in sets:
        cells = []
        for classifier, temporal in VARIANTS.values():
            values, features = measured(data, classifier, temporal)
            accuracy, f_score = values.mean(axis=0)
            cells.append(f"{accuracy:.3f} / {f_score:.3f} ({features})")
        sizes = f"{data.learning.sum() / len(data.learning):.0f} / {(~data.learning).sum() / len(data.learning):.0f}"
        print(f"| {data.name} | {sizes} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
