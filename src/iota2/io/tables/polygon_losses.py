"""Losses of reference polygons by class before pixels are read, computed from areas; storage as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from iota2.compute.area_losses import AreaLoss
from iota2.core.grid import resolution
from iota2.core.losses import DRAWN, REASONS, Amount, ClassLosses, losses_sentence, parse_losses
from iota2.core.nomenclature import Nomenclature
from iota2.core.words import counted
from iota2.io.files.atomic import write_json
from iota2.io.files.crs import square_metres
from iota2.io.tables.reference import LABEL, Loss, ReferenceData


def pixel_area(grid: GeoBox) -> float:
    """Area in square metres of the central pixel of a grid."""
    middle = np.array([grid.extent.centroid.coords[0][1]])
    return float(square_metres(np.array([float(np.prod(resolution(grid)))]), grid.crs, middle)[0])


def class_losses(
    data: ReferenceData, classes: Nomenclature, ground: Mapping[str, AreaLoss], pixel: float
) -> tuple[ClassLosses, ...]:
    """Amounts of each class in the reference data, and amounts lost by reason.

    Areas are in pixels of ``pixel`` square metres. ``ground``: losses of valid polygons by reason.
    """
    polygons = data.frame.geometry.to_numpy()
    # number of pixels per square unit of the projection, at each polygon
    rate = square_metres(np.ones(len(polygons)), data.frame.crs, shapely.get_y(shapely.centroid(polygons))) / pixel
    area, labels = shapely.area(polygons) * rate, data.frame[LABEL].to_numpy()
    fates = []
    for code, label in zip(classes.codes, classes.labels, strict=True):
        own = labels == label
        lost = _losses_in_file(data.lost, label, float(rate[own].mean())) | {
            reason: (int(found.whole[own].sum()), float((found.area * rate)[own].sum()))
            for reason, found in ground.items()
        }
        drawn = int(own.sum()), float(area[own].sum())
        for reason in lost.keys() - ground.keys():
            drawn = drawn[0] + lost[reason][0], drawn[1] + lost[reason][1]
        amounts = {what: Amount(n, round(pixels)) for what, (n, pixels) in ({DRAWN: drawn} | lost).items()}
        fates.append(ClassLosses(code, str(label), amounts))
    return tuple(fates)


def _losses_in_file(lost: Iterable[Loss], label: object, rate: float) -> dict[str, tuple[int, float]]:
    """Numbers of polygons and pixels of a label that were lost while the file was read, by reason."""
    found: dict[str, tuple[int, float]] = {}
    for one in lost:
        if one.label == label:
            polygons, pixels = found.get(one.reason, (0, 0.0))
            found[one.reason] = polygons + one.polygons, pixels + one.area * rate
    return found


def no_usable_polygons(source: str, fates: Sequence[ClassLosses]) -> str:
    """The message when no polygon can be used: the number of polygons, and of losses by reason."""
    drawn = sum(fate.of(DRAWN).polygons for fate in fates)
    totals = {reason: sum((fate.of(reason) for fate in fates), Amount()) for reason in REASONS}
    reasons = losses_sentence({reason: amount for reason, amount in totals.items() if amount})
    checked = "the list of tiles and the regions"
    if totals["cloud_threshold"]:
        checked = "the list of tiles, the regions and chain.cloud_threshold"
    return (
        f"{source}: none of its {counted(drawn, 'polygon')} can be used for learning: {reasons}. "
        f"Check {checked}, or add polygons where the images are clear."
    )


def write_class_losses(fates: Iterable[ClassLosses], path: Path) -> None:
    """Write the numbers of polygons and pixels by class code and reason."""
    write_json(
        path,
        {
            str(fate.code): {what: [amount.polygons, amount.pixels] for what, amount in fate.amounts.items()}
            for fate in fates
        },
    )


def read_class_losses(path: Path) -> dict[int, dict[str, Amount]]:
    """The amounts from a file of ``write_class_losses``, by class code and reason."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {int(code): {what: Amount(*pair) for what, pair in found.items()} for code, found in content.items()}


def read_losses_csv(path: Path) -> tuple[ClassLosses, ...]:
    """Amounts of each class at all stages from reference data to samples, from the CSV file of one seed."""
    return parse_losses(path.read_text(encoding="utf-8"))
