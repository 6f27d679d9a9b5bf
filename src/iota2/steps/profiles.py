"""Raster profiles of intermediate products: labels, confidence, probabilities."""

from __future__ import annotations

import math

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.classifiers.base import Prediction
from iota2.compute.conformal import LEVEL
from iota2.compute.predict import PROBABILITY_SCALE
from iota2.compute.uncertainty import PERCENT_NODATA, mask_dtype
from iota2.core.nomenclature import Nomenclature
from iota2.io.rasters.files import RasterProfile

CONFIDENCE_TAG = "CONFIDENCE"
"""Metadata item of confidence maps that describes the origin of their values."""
QUANTITY_TAG, INTERVAL_TAG = "QUANTITY", "INTERVAL"
"""Metadata items of maps of a quantity: its name, and how intervals were measured."""
NO_PROBABILITY = 65535
"""Value of pixels without label in probability rasters; 0 is a valid probability."""


def label_profile(geobox: GeoBox, classes: Nomenclature) -> RasterProfile:
    """Profile of label rasters."""
    return RasterProfile(geobox, classes.dtype, nodata=0)


def confidence_profile(geobox: GeoBox) -> RasterProfile:
    """Profile of confidence rasters, 0..1."""
    return RasterProfile(geobox, "float32", nodata=0)


def percent_confidence_profile(geobox: GeoBox, what: str, origin: str = "") -> RasterProfile:
    """Profile of the confidence in products, 1..100 %; 0 without label.

    ``what`` the values are, such as a probability, is the description of the band. ``origin`` is the metadata item
    ``CONFIDENCE``; there is no item if it is empty.
    """
    tags = {CONFIDENCE_TAG: origin} if origin else {}
    return RasterProfile(geobox, "uint8", nodata=0, overviews="average", descriptions=(f"{what}, %",), tags=tags)


def probability_profile(geobox: GeoBox, classes: Nomenclature) -> RasterProfile:
    """Profile of probability rasters: probability × 1000, 65535 without label, one band per class by ascending code.

    Bands are named by code and name of the class.
    """
    named = _named(classes)
    return RasterProfile(geobox, "uint16", count=len(named), nodata=NO_PROBABILITY, descriptions=named)


def choice_profile(geobox: GeoBox) -> RasterProfile:
    """Profile of rasters of the model that gave the label, with the values of ``SensorFusion.choice``."""
    return RasterProfile(geobox, "uint8", nodata=0)


def entropy_profile(geobox: GeoBox) -> RasterProfile:
    """Profile of rasters of the normalised entropy, in %."""
    return _percent_profile(geobox, "entropy of the probabilities, % of its maximum")


def margin_profile(geobox: GeoBox) -> RasterProfile:
    """Profile of rasters of the difference of the two highest probabilities, in %."""
    return _percent_profile(geobox, "difference of the two highest probabilities, %")


def _percent_profile(geobox: GeoBox, description: str) -> RasterProfile:
    return RasterProfile(geobox, "uint8", nodata=PERCENT_NODATA, descriptions=(description,))


def likely_classes_profile(geobox: GeoBox, classes: Nomenclature, share: float) -> RasterProfile:
    """Profile of rasters of sets of classes; the description of the band names the class of each bit."""
    bits = "; ".join(f"bit {k}: {name}" for k, name in enumerate(_named(classes)))
    description = f"classes with a probability of {100 * share:g} %, as a bit mask ({bits})"
    return RasterProfile(geobox, mask_dtype(len(classes.codes)), nodata=0, descriptions=(description,))


def _named(classes: Nomenclature) -> tuple[str, ...]:
    """Code and name of each class; the code alone if it is the name."""
    pairs = zip(map(str, classes.codes), classes.names, strict=True)
    return tuple(code if name == code else f"{code} {name}" for code, name in pairs)


def confidence_percent(confidence: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Confidence (y, x) 0..1 as uint8 1..100 where there is a label and 0 elsewhere."""
    rounded = np.clip(np.rint(confidence * 100), 1, 100)
    return np.where(labelled, rounded, 0).astype(np.uint8)


def scaled_shares(shares: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Probabilities × 1000 (class, y, x) uint16; 65535 where ``labelled`` (y, x) is False."""
    return np.where(labelled, np.rint(shares * PROBABILITY_SCALE), NO_PROBABILITY).astype(np.uint16)


def scaled_probabilities(prediction: Prediction) -> np.ndarray:
    """Probabilities × 1000 as (class, y, x) uint16; 65535 where there is no label."""
    layers = np.empty(prediction.probabilities.shape, np.uint16)
    for layer, shares in zip(layers, prediction.probabilities, strict=True):
        layer[:] = np.rint(shares * PROBABILITY_SCALE)
    layers[:, prediction.labels == 0] = NO_PROBABILITY
    return layers


def value_profile(geobox: GeoBox) -> RasterProfile:
    """Profile of rasters of values of a quantity and widths of their intervals; NaN without value."""
    return RasterProfile(geobox, "float32", count=2, nodata=math.nan)


def value_map_profile(geobox: GeoBox, quantity: str) -> RasterProfile:
    """Profile of the map of a quantity, whose name is the description of the band."""
    return RasterProfile(
        geobox,
        "float32",
        nodata=math.nan,
        overviews="average",
        descriptions=(quantity,),
        tags={QUANTITY_TAG: quantity},
    )


def width_map_profile(geobox: GeoBox, quantity: str, interval: str) -> RasterProfile:
    """Profile of the map of widths; ``interval``: how intervals were measured, in the metadata item ``INTERVAL``."""
    return RasterProfile(
        geobox,
        "float32",
        nodata=math.nan,
        overviews="average",
        descriptions=(f"width of the {100 * LEVEL:.0f} % interval of {quantity}",),
        tags={QUANTITY_TAG: quantity, INTERVAL_TAG: interval},
    )
