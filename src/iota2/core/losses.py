"""Losses of reference data between the reference file and the samples, by class and reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass

from iota2.core.recipe import FeatureRecipe
from iota2.core.words import spreadsheet_safe

REASONS: Mapping[str, str] = {
    "no_geometry": "without geometry, or with no place in the projection",
    "duplicate": "the same as an earlier polygon",
    "same_label": "shared with an earlier polygon of the same class or value",
    "two_labels": "shared by polygons of different classes or values",
    "outside_tiles": "outside the tiles",
    "no_image": "without images (common mask)",
    "never_clear": "without a clear date",
    "cloud_threshold": "with fewer clear dates than chain.cloud_threshold",
    "outside_regions": "outside the regions",
    "no_pixel": "without a pixel centre (thinner than a pixel)",
    "no_segment": "outside all segments",
    "both_sides": "in segments of both learning and validation polygons",
    "no_majority": "in segments without a class of at least half of the labelled pixels",
    "other_class": "in segments of another class",
    "selection": "not selected by arg_train.sample_selection",
    "max_samples": "beyond arg_train.max_samples_per_class",
    "no_clear_date": "selected, but without the clear dates or data that the model needs",
}
"""Reasons of losses with their descriptions, in the order of processing."""
DRAWN, USABLE, RESERVED, VALIDATION, LEARNING, SAMPLES = (
    "drawn",
    "usable",
    "reserved",
    "validation",
    "learning",
    "samples",
)
STAGES = (DRAWN, USABLE, RESERVED, VALIDATION, LEARNING, SAMPLES)
"""Stages that are counted in addition to losses: polygons in the file, their usable part, polygons reserved for the
fusion of runs, both sides of the split, and samples."""
SELECTED = ("selection", "max_samples", "no_clear_date", SAMPLES)
"""Reasons and stage that are counted with the selection of samples."""
MIN_SAMPLES = 10
"""Minimum number of samples of a class that is not nearly lost."""
MIN_USABLE_SHARE = 0.05
"""Minimum share of usable pixels of a class that is not nearly lost."""
PIXELS_NOTE = (
    "Pixels drawn, and losses of polygon area, are areas divided by the pixel area; all other numbers of pixels "
    "are those whose centre lies in a polygon. They therefore do not add up exactly."
)
"""Explanation of the numbers in text reports."""
SEGMENTS_NOTE = (
    "A sample is a segment (with obia.full_learn_segment), or the part of a segment inside a learning polygon, of any "
    "number of pixels. The number of segments of a loss is that of segments with these pixels; a segment with pixels "
    "of several classes counts in each class. For each class, the pixels of samples and of losses after the split add "
    "up to its learning pixels."
)
"""Explanation of the samples in runs on segments."""
AMOUNTS = ("polygons", "pixels")
COLUMNS = ("class", "label", "what", *AMOUNTS)
SEGMENT_COLUMNS = ("segments", "samples")
"""Further columns in runs on segments."""
NO_SEGMENT = "there is no segment to learn from, or no clear date there"
"""Why the model of a region has no samples, in runs on segments."""
NO_SEGMENT_REMEDY = (
    "Draw more polygons, or use other segments: they may be too large, or not at the polygons. Segments to learn from "
    "have a class in learning polygons, no pixel of validation polygons, and a clear date."
)
ALL_SENSORS = "arg_classification.missing_sensors : 'mask', or a context of pixels"
"""The options with which a pixel needs clear dates of all sensors."""


def without_features(recipe: FeatureRecipe) -> str:
    """Why pixels have no features, as the predicate of a sentence: ``have no clear date``."""
    clear = f"are not clear in every sensor ({ALL_SENSORS})" if recipe.needs_all_sensors else "have no clear date"
    layers = not recipe.allow_missing and any(sensor.static for sensor in recipe.sensors)
    return f"{clear} or lack data of a layer" if layers else clear


@dataclass(frozen=True)
class Amount:
    """Numbers of polygons and pixels. Pixels are counted on the grid of the map, or else computed from areas."""

    polygons: int = 0
    pixels: int = 0
    segments: int = 0
    """Segments that contain these pixels, in runs on segments; with ``other_class`` they learn another class."""
    samples: int = 0
    """Samples in runs on segments: segments or parts of them. In other runs, samples are pixels."""

    def __add__(self, other: Amount) -> Amount:
        return Amount(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Amount) -> Amount:
        """Difference of each number, which may be negative."""
        return Amount(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __bool__(self) -> bool:
        return any(astuple(self))


@dataclass(frozen=True)
class ClassLosses:
    """Amounts of one class by stage and reason, for one seed."""

    code: int
    label: str
    amounts: Mapping[str, Amount]
    """Amounts by stage or reason; an absent key means 0."""
    of_segments: bool = False
    """Whether the run classifies segments, so that samples are segments or parts of them."""

    def of(self, what: str) -> Amount:
        """The amount of a stage or reason."""
        return self.amounts.get(what, Amount())

    @property
    def losses(self) -> dict[str, Amount]:
        """Losses by reason, in the order of ``REASONS``."""
        return {reason: self.of(reason) for reason in REASONS if self.of(reason)}

    @property
    def learned(self) -> int:
        """Number of samples."""
        samples = self.of(SAMPLES)
        return samples.samples if self.of_segments else samples.pixels

    @property
    def nearly_lost(self) -> bool:
        """Whether the class has fewer than MIN_SAMPLES samples, or a smaller usable share than MIN_USABLE_SHARE."""
        drawn, usable = self.of(DRAWN).pixels, self.of(USABLE).pixels
        return self.learned < MIN_SAMPLES or usable < MIN_USABLE_SHARE * drawn

    def numbers(self, what: str) -> dict[str, int]:
        """The amount of a stage or reason by column name."""
        found = asdict(self.of(what))
        return {name: found[name] for name in (*AMOUNTS, *(SEGMENT_COLUMNS if self.of_segments else ()))}


def losses_csv(entries: Iterable[ClassLosses], stages: Sequence[str] = STAGES) -> str:
    """CSV text with a line for each class and each of the ``stages``, and for each class and reason with losses."""
    text, each = io.StringIO(), list(entries)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(SEGMENT_COLUMNS if any(entry.of_segments for entry in each) else ())])
    for entry in each:
        for what in (DRAWN, *REASONS, *STAGES[1:]):
            amount = entry.of(what)
            if amount or what in stages:
                writer.writerow([entry.code, spreadsheet_safe(entry.label), what, *entry.numbers(what).values()])
    return text.getvalue()


def parse_losses(text: str) -> tuple[ClassLosses, ...]:
    """The losses in a CSV text of ``losses_csv``."""
    labels: dict[int, str] = {}
    amounts: dict[int, dict[str, Amount]] = {}
    reader = csv.DictReader(io.StringIO(text))
    columns = [name for name in reader.fieldnames or () if name in (*AMOUNTS, *SEGMENT_COLUMNS)]
    of_segments = len(columns) > len(AMOUNTS)
    for row in reader:
        code = int(row["class"])
        labels[code] = row["label"]
        amounts.setdefault(code, {})[row["what"]] = Amount(**{name: int(row[name]) for name in columns})
    return tuple(ClassLosses(code, labels[code], found, of_segments) for code, found in amounts.items())


def amount_text(amount: Amount) -> str:
    """``2 polygons, 35 pixels``."""
    return f"{_counted(amount.polygons, 'polygon')}, {_counted(amount.pixels, 'pixel')}"


def losses_sentence(losses: Mapping[str, Amount]) -> str:
    """The losses as text, separated by semicolons; ``nothing`` without losses."""
    return "; ".join(f"{_brief(amount)} {REASONS[reason]}" for reason, amount in losses.items()) or "nothing"


def _brief(amount: Amount) -> str:
    """An amount as text, without zero counts."""
    numbers = {"polygon": amount.polygons, "pixel": amount.pixels, "segment": amount.segments, "sample": amount.samples}
    first, *others = [_counted(count, thing) for thing, count in numbers.items() if count]
    return f"{first} ({', '.join(others)})" if others else first


def _counted(count: int, thing: str) -> str:
    """The count with thousands separators, and the singular or plural of ``thing``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def losses_line(entry: ClassLosses, name: str) -> str:
    """One line of text on a class: amounts drawn, for learning, for validation, reserved, and lost by reason."""
    reserved = entry.of(RESERVED)
    return (
        f"{name} ({entry.code}): {amount_text(entry.of(DRAWN))} drawn; "
        f"{_learned(entry)} for learning, {_validation(entry)} for validation"
        f"{f', {reserved.pixels:,} reserved for the fusion of runs' if reserved else ''}; "
        f"lost: {losses_sentence(entry.losses)}"
    )


def _learned(entry: ClassLosses) -> str:
    return _counted(entry.learned, "sample" if entry.of_segments else "pixel")


def _validation(entry: ClassLosses) -> str:
    """Pixels for validation; the unit is omitted after that of the samples, unless it differs."""
    pixels = entry.of(VALIDATION).pixels
    return _counted(pixels, "pixel") if entry.of_segments else f"{pixels:,}"


def notes_on(entries: Sequence[ClassLosses]) -> tuple[str, ...]:
    """Explanations of the numbers in text reports."""
    return (PIXELS_NOTE, *([SEGMENTS_NOTE] if any(entry.of_segments for entry in entries) else []))


def warnings(
    losses_by_seed: Mapping[int, Sequence[ClassLosses]],
    title: Callable[[int], str],
    enough: str = "two polygons of each class in each region",
) -> tuple[str, ...]:
    """Warnings on classes that are nearly lost for a seed, and on seeds without validation pixels.

    ``title``: subject of a sentence about a class, by its code. ``enough``: polygons that a validation needs.
    """
    seeds: dict[int, list[int]] = {}
    first: dict[int, ClassLosses] = {}
    for seed, of_seed in losses_by_seed.items():
        for entry in of_seed:
            if entry.nearly_lost:
                seeds.setdefault(entry.code, []).append(seed)
                first.setdefault(entry.code, entry)
    alone = [
        seed for seed, of_seed in losses_by_seed.items() if not any(entry.of(VALIDATION).pixels for entry in of_seed)
    ]
    return (
        *(_warning(entry, title(code), seeds[code]) for code, entry in sorted(first.items())),
        *([_unvalidated(alone, enough)] if alone else []),
    )


def _warning(entry: ClassLosses, title: str, seeds: Sequence[int]) -> str:
    return (
        f"{title} is nearly lost: {_learned(entry)} for learning, of "
        f"{amount_text(entry.of(DRAWN))} drawn (seed {', '.join(map(str, seeds))}). "
        f"Lost: {losses_sentence(entry.losses)}."
    )


def _unvalidated(seeds: Sequence[int], enough: str) -> str:
    return (
        f"The map is not validated (seed {', '.join(map(str, seeds))}): no validation polygon has a pixel, so "
        f"its accuracy is unknown. Draw at least {enough}."
    )


def samples_text(losses_by_seed: Mapping[int, Sequence[ClassLosses]], name: Callable[[int], str]) -> str:
    """Section of a text report: a line for each class of the first seed."""
    seed = min(losses_by_seed)
    lines = [
        f"Reference polygons and samples (seed {seed})",
        *(f"- {losses_line(entry, name(entry.code))}" for entry in losses_by_seed[seed]),
        *notes_on(losses_by_seed[seed]),
    ]
    return "\n".join(lines) + "\n"
