"""Notes on damaged state files of an output folder."""

from __future__ import annotations

from pathlib import Path

from iota2.runs.progress import reasons, settings, status
from iota2.runs.records import damage, output
from iota2.runs.records.records import Ledger
from iota2.runs.records.state import remove_obstacle
from iota2.runs.survey import listing

STATE_FILES = (
    listing.INPUTS_FILE,
    damage.DAMAGE_FILE,
    reasons.PARAMETERS_FILE,
    status.LAST_RUN_FILE,
    status.STATUS_FILE,
    output.OUTPUT_LIST_FILE,
    settings.SETTINGS_FILE,
)
"""All state files except the records and the lock."""


def remove_damaged_state(root: Path) -> None:
    """Remove damaged state files, for a run that has the lock and recreates them.

    OutputError if there is a non-empty folder in place of a file.
    """
    for file in STATE_FILES:
        if file.damage_note(root):
            remove_obstacle(root / file.path)
            (root / file.path).unlink(missing_ok=True)


def state_notes(root: Path) -> list[str]:
    """A note on each damaged state file, with the consequence."""
    damage = [*(file.damage_note(root) for file in STATE_FILES), Ledger(root).damage_note()]
    return [f"note: {note}" for note in damage if note]
