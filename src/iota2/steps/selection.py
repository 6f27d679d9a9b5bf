"""Step: which pixels one model learns from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from iota2 import layout
from iota2.compute.sampling import SelectionOptions, choose, class_targets, parse_class_counts
from iota2.config.options_train import SampleSelection
from iota2.config.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.core.grid import pixel_centres
from iota2.core.nomenclature import Label, Nomenclature
from iota2.core.random import generator
from iota2.core.tables import CODE, COLUMN, REGION, ROW, TILE
from iota2.io.atomic import write_text
from iota2.io.burn import pixels_inside, to_crs
from iota2.io.classes import read_classes
from iota2.io.scenes import read_scene
from iota2.io.statistics import read_statistics, total, write_statistics
from iota2.io.vectors import read_sqlite, write_sqlite

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SelectionParams:
    """How pixels are chosen, and the seed of the run."""

    selection: SampleSelection
    random_seed: int
    proj: str


def params(config: Config) -> SelectionParams:
    """The options about sample selection."""
    arg_train = config.arg_train
    return SelectionParams(arg_train.sample_selection, arg_train.random_seed or 0, config.chain.proj)


def run(job: JobContext) -> None:
    """Choose pixels class by class over all tiles of the model and write them as points."""
    region, seed = str(job.key["region"]), int(job.key["seed"])
    options = selection_options(job.params.selection, region)
    counts = total(read_statistics(path) for path in job.inp.all("statistics").values())
    targets = _targets(options, counts.per_class, read_classes(job.inp.classes))
    candidates = _candidates(job, region)
    selected = _select(candidates, options, targets, (job.params.random_seed + seed, region))
    write_statistics(counts, job.out.statistics)
    write_text(job.out.rates, rates_csv(targets, counts.per_class, selected))
    write_sqlite(selected, job.out.selection)
    for (tile,), path in job.out.all("tile_selections").items():
        write_sqlite(selected[selected[TILE] == tile], path)
    log.info("selected %d of %d pixels", len(selected), len(candidates))


def selection_options(selection: SampleSelection, region: str) -> SelectionOptions:
    """What the configuration says for the model of one region."""
    given = selection.of_region(region)
    return SelectionOptions(
        sampler=given.sampler,
        jitter=given.jitter or 0,
        strategy=given.strategy,
        amount=given.percent or given.constant or given.total or 0.0,
        counts_file=str(given.byclass or ""),
    )


def _targets(options: SelectionOptions, available: Mapping[int, int], classes: Nomenclature) -> dict[int, int]:
    """Pixels wanted of each class code; a table of counts names classes by the user's labels."""
    label: dict[int, Label] = dict(zip(classes.codes, classes.labels, strict=True))
    requested = None
    if options.counts_file:
        text = Path(options.counts_file).read_text(encoding="utf-8-sig")
        requested = parse_class_counts(text, options.counts_file)
    by_label = class_targets(options, {label[code]: count for code, count in available.items()}, requested)
    return {classes.code(name): count for name, count in by_label.items()}


def rates_csv(targets: Mapping[int, int], available: Mapping[int, int], selected: pd.DataFrame) -> str:
    """Wanted, available and selected pixels of each class, and the rate, as CSV."""
    found = selected[CODE].value_counts()
    lines = ["#className requiredSamples totalSamples rate".replace(" ", ",")]
    for code in sorted(available):
        rate = found.get(code, 0) / available[code] if available[code] else 0.0
        lines.append(f"{code},{targets.get(code, 0)},{available[code]},{rate:.6g}")
    return "\n".join(lines) + "\n"


def classes_without_pixel(rates: str) -> list[int]:
    """Codes of the classes that have learning polygons and no pixel in them, from the text of ``rates_csv``."""
    rows = [line.split(",") for line in rates.splitlines() if not line.startswith("#")]
    return [int(code) for code, _, available, _ in rows if int(available) == 0]


def _select(
    candidates: gpd.GeoDataFrame, options: SelectionOptions, targets: Mapping[int, int], key: tuple[int, str]
) -> gpd.GeoDataFrame:
    """Rows of ``candidates`` chosen for each class, in their order."""
    codes = candidates[CODE].to_numpy()
    chosen = [np.zeros(0, np.int64)]
    for code in sorted(targets):
        of_class = np.flatnonzero(codes == code)
        rng = generator(key[0], "selection", key[1], code)
        chosen.append(of_class[choose(options, len(of_class), targets[code], rng)])
    return candidates.iloc[np.sort(np.concatenate(chosen))]


def _candidates(job: JobContext, region: str) -> gpd.GeoDataFrame:
    """Every pixel of the model's learning polygons as a point in ``proj``, tile by tile in scan order."""
    scenes, polygons = job.inp.all("scenes"), job.inp.all("polygons")
    frames = [
        _tile_pixels(str(tile), scenes[(tile,)], path, region, job.params.proj) for (tile,), path in polygons.items()
    ]
    return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=job.params.proj)


def _tile_pixels(tile: str, scene_path: Path, path: Path, region: str, proj: str) -> gpd.GeoDataFrame:
    geobox = read_scene(scene_path).geobox
    polygons = read_sqlite(path)
    polygons = polygons[polygons[REGION] == region]
    polygon, rows, cols = pixels_inside(to_crs(polygons, geobox.crs), geobox)
    frame = polygons.drop(columns=polygons.geometry.name).iloc[polygon].reset_index(drop=True)
    frame[ROW], frame[COLUMN] = rows, cols
    x, y = pixel_centres(geobox, rows, cols)
    points = gpd.GeoSeries(gpd.points_from_xy(x, y), crs=geobox.crs).to_crs(proj)
    return gpd.GeoDataFrame(frame, geometry=points.to_numpy(), crs=proj)


STEP = Step(
    name="samplingLearningPolygons",
    group="sampling",
    about="Choose the pixels that each model learns from.",
    task="s_sel_model_{region}_seed_{seed}",
    run=run,
    over=("region", "seed"),
    needs={
        "scenes": layout.SCENE,
        "polygons": layout.LEARN_POLYGONS,
        "statistics": layout.TILE_STATISTICS,
        "classes": layout.CLASSES,
    },
    makes={
        "selection": layout.SELECTION,
        "rates": layout.RATES,
        "statistics": layout.MODEL_STATISTICS,
        "tile_selections": layout.TILE_SELECTION,
    },
    params=params,
)
