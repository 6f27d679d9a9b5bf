"""Step: labelled segments whose class is doubtful, as polygons, for one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.core.nomenclature import Nomenclature
from iota2.io.files.atomic import write_text
from iota2.io.files.crs import to_crs
from iota2.io.rasters.qgis import polygon_style
from iota2.io.tables.classes import read_classes
from iota2.io.tables.polygon_layers import write_small_geopackage
from iota2.io.tables.polygon_tables import read_some_polygons
from iota2.io.tables.segment_labels import CODE, LABELLED, NUMBER, SIDE, TILE, read_segment_labels
from iota2.io.tables.segments import LabelPredictions, Segments

LAYER = "doubtful_segments"
"""Name of the layer."""
SEGMENT = "segment"
"""Column of the identifier of a segment."""
PREDICTED_CODE = "predicted_code"
"""Column of the code in the map of the predicted class."""
PREDICTED, DECLARED_PROBABILITY, PREDICTED_PROBABILITY = "predicted", "declared_probability", "predicted_probability"


@dataclass(frozen=True)
class DoubtfulParams:
    """Projection of the polygons."""

    proj: str

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"chain.proj": self.proj}


def params(config: Config) -> DoubtfulParams:
    """The projection from the configuration."""
    return DoubtfulParams(config.chain.proj)


def run(job: JobContext[DoubtfulParams]) -> None:
    """Write the segments whose predicted class is another one, by ascending probability of their class."""
    classes = read_classes(job.inp.classes)
    found = _doubtful(job, classes)
    frames = [_located(job, key.tile, found[found[TILE] == key.tile]) for key in job.inp.all("tables")]
    frame = pd.concat(frames).sort_values([DECLARED_PROBABILITY, TILE, SEGMENT], kind="stable", ignore_index=True)
    write_small_geopackage(_named(frame, classes), job.out.layer, LAYER)
    write_text(job.out.style, polygon_style(classes, PREDICTED_CODE))


def _doubtful(job: JobContext[DoubtfulParams], classes: Nomenclature) -> pd.DataFrame:
    """The doubtful segments with the columns of their labels and predictions."""
    keys, frames = [TILE, NUMBER, SIDE], []
    labels = read_segment_labels(job.inp.labels)[[*keys, CODE, LABELLED]]
    for path in job.inp.all("predictions").values():
        table = LabelPredictions.read(path)
        keyed = dict(zip(keys, (table.tile, table.number, table.side), strict=True))
        found = pd.DataFrame({**keyed, PREDICTED: table.label}).merge(labels, on=keys, how="left")
        declared, predicted = found[CODE].to_numpy(), found[PREDICTED].to_numpy()
        found[DECLARED_PROBABILITY] = _of(table.probabilities, classes, declared)
        found[PREDICTED_PROBABILITY] = _of(table.probabilities, classes, predicted)
        frames.append(found[(predicted > 0) & (predicted != declared)])
    return pd.concat(frames, ignore_index=True)


def _of(probabilities: np.ndarray, classes: Nomenclature, codes: np.ndarray) -> np.ndarray:
    """(segment,) float32: probability of a class of each segment; meaningless for the code 0."""
    columns = np.minimum(np.searchsorted(classes.codes, codes), len(classes.codes) - 1)
    found: np.ndarray = probabilities[np.arange(len(codes)), columns]
    return found


def _located(job: JobContext[DoubtfulParams], tile: str, found: pd.DataFrame) -> gpd.GeoDataFrame:
    """The segments of a tile with their identifiers and polygons."""
    identifier = Segments.read(job.inp.at("tables", tile=tile)).identifier[found[NUMBER] - 1]
    polygons = read_some_polygons(job.inp.at("polygons", tile=tile), SEGMENT, identifier.tolist())
    attributes = found.assign(**{SEGMENT: identifier})
    whole: gpd.GeoDataFrame = polygons.merge(attributes, on=SEGMENT)
    return whole.set_geometry(to_crs(whole.geometry, job.params.proj))


def _named(frame: gpd.GeoDataFrame, classes: Nomenclature) -> gpd.GeoDataFrame:
    """The columns of the product."""
    labels, names = ({code: value(code) for code in classes.codes} for value in (classes.label, classes.name))
    declared, predicted = frame[CODE], frame[PREDICTED]
    kind = "int64" if all(isinstance(label, int) for label in classes.labels) else "string"
    attributes = {
        SEGMENT: frame[SEGMENT],
        TILE: frame[TILE].astype("string"),
        SIDE: frame[SIDE].astype("string"),
        "pixels": frame[LABELLED],
        "declared": declared.map(labels).astype(kind),
        "declared_name": declared.map(names).astype("string"),
        "predicted": predicted.map(labels).astype(kind),
        "predicted_name": predicted.map(names).astype("string"),
        PREDICTED_CODE: predicted,
        DECLARED_PROBABILITY: frame[DECLARED_PROBABILITY],
        PREDICTED_PROBABILITY: frame[PREDICTED_PROBABILITY],
    }
    return gpd.GeoDataFrame(attributes, geometry=frame.geometry, crs=frame.crs)


STEP = Step(
    name="doubtfulSegments",
    group="validation",
    about="List the labelled segments whose predicted class is another one.",
    task="doubtful_segments_seed_{seed}",
    run=run,
    over=("seed",),
    needs={
        "classes": layout.CLASSES,
        "labels": layout.SEGMENT_LABELS,
        "predictions": layout.LABEL_PREDICTIONS,
        "tables": layout.SEGMENT_TABLE,
        "polygons": layout.SEGMENT_POLYGONS,
    },
    makes={"layer": layout.DOUBTFUL_SEGMENTS, "style": layout.DOUBTFUL_STYLE},
    params=params,
)
