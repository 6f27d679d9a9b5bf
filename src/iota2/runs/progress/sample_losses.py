"""Report on reference polygons and samples at the end of a run."""

from __future__ import annotations

from collections.abc import Set

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.losses import ClassLosses, losses_line, notes_on, warnings
from iota2.io.tables.classes import read_classes
from iota2.io.tables.polygon_losses import read_losses_csv
from iota2.io.tables.value_strata import value_warnings


def sample_lines(config: Config, current: Set[str]) -> list[str]:
    """A line for each class of the first seed, and a warning for each class that is nearly lost for any seed.

    ``current``: outputs of the run that are up to date, relative to the output folder. Empty if a table is not.
    """
    root = config.chain.output_path
    names = {seed: layout.LOSSES.path.format(seed=seed) for seed in range(config.arg_train.runs)}
    if not {layout.CLASSES.path, *names.values()} <= current:
        return []
    tables, classes = {seed: root / name for seed, name in names.items()}, root / layout.CLASSES.path
    known = read_classes(classes)
    fates: dict[int, tuple[ClassLosses, ...]] = {seed: read_losses_csv(path) for seed, path in tables.items()}
    more = f" (other seeds: {layout.LOSSES.path.format(seed='<seed>')})" if len(fates) > 1 else ""
    found = value_warnings(fates, known) if config.quantity else warnings(fates, known.title)
    return [
        f"Reference polygons and samples, seed 0{more}:",
        *(f"  {losses_line(fate, known.name(fate.code))}" for fate in fates[0]),
        *(f"  {note}" for note in notes_on(fates[0])),
        *(f"warning: {text}" for text in found),
    ]
