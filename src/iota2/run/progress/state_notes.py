"""Notes on damaged state files of an output folder."""

from __future__ import annotations

from pathlib import Path

from iota2.run.progress import reasons, settings, status
from iota2.run.records import damage, output
from iota2.run.records.records import Ledger
from iota2.run.records.state import make_way
from iota2.run.survey import listing

FILES = (listing.KNOWN, damage.NOTED, reasons.KEPT, status.LAST, status.STATES, output.OUTPUT_NAMES, settings.SETTINGS)
"""All state files except the records and the lock."""


def clear_damaged(root: Path) -> None:
    """Remove damaged state files, for a run that has the lock and recreates them.

    OutputError if there is a non-empty folder in place of a file.
    """
    for file in FILES:
        if file.damage_note(root):
            make_way(root / file.path)
            (root / file.path).unlink(missing_ok=True)


def state_notes(root: Path) -> list[str]:
    """A note on each damaged state file, with the consequence."""
    damage = [*(file.damage_note(root) for file in FILES), Ledger(root).damage_note()]
    return [f"note: {note}" for note in damage if note]
