"""Verification of outputs against their records."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from iota2.config.options.schema import Config
from iota2.errors import UserError
from iota2.runs.preview import survey_and_plan
from iota2.runs.records.lock import locked
from iota2.runs.records.records import Ledger
from iota2.runs.records.stamps import Stamp, stat_stamp, unchanged_stamp


@dataclass(frozen=True)
class Findings:
    """Changed or missing outputs, relative to the output folder."""

    damaged: tuple[str, ...] = ()
    """Outputs that the next run makes again."""
    unneeded: tuple[str, ...] = ()
    """Outputs of jobs that are not in the plan of this configuration; runs ignore them."""
    undetected: tuple[str, ...] = ()
    """Those of ``damaged`` that the next run does not detect, because size and time are unchanged and the records could
    not be updated."""
    obstacle: str = ""
    """Why the records could not be updated."""


def verify(config: Config, *, deep: bool) -> Findings:
    """Compare all recorded outputs with the disk: size and time, and all bytes if ``deep``.

    Changed outputs that a run would not detect are removed from the records, so that the next run makes them again.
    Changed outputs that are not planned are removed from the records too. UserError if there are no records.
    """
    root = config.chain.output_path
    if not Ledger(root).records:
        raise UserError(
            f"{root}: no outputs are recorded here, so there is nothing to verify. No job has been completed in this "
            "folder. Check chain.output_path, or start a run first."
        )
    found = damaged(root, deep=deep)
    if not found:
        return Findings()
    planned = _planned(config, found)
    bad = tuple(name for name in found if name in planned)
    unneeded = tuple(name for name in found if name not in planned)
    undetected = tuple(name for name in bad if stat_stamp(root / name) == (found[name].size, found[name].modified))
    try:
        _forget(root, {*undetected, *unneeded}, deep=deep)
    except (UserError, OSError) as err:
        return Findings(bad, unneeded, undetected, str(err))
    return Findings(bad, unneeded)


def damaged(root: Path, *, deep: bool) -> dict[str, Stamp]:
    """Recorded outputs that are changed or missing, each with its recorded stamp."""
    return {
        name: stamp
        for record in Ledger(root).records.values()
        for name, stamp in record.outputs.items()
        if _is_damaged(root, name, stamp, deep=deep)
    }


def _is_damaged(root: Path, name: str, stamp: Stamp, *, deep: bool) -> bool:
    try:
        return not (root / name).exists() or unchanged_stamp(root / name, stamp, deep=deep) is None
    except FileNotFoundError:  # deleted in the meantime
        return True


def _planned(config: Config, found: Iterable[str]) -> set[str]:
    """Outputs in the plan of the configuration; all of ``found`` if inputs are missing, so that there is no plan."""
    try:
        _, plan = survey_and_plan(config)
    except UserError:
        return set(found)
    return {name for job in plan.jobs for name in job.makes}


def _forget(root: Path, names: Set[str], *, deep: bool) -> None:
    """Remove outputs that are still damaged from the records, under the lock of the folder."""
    if not names:
        return
    with locked(root):
        ledger = Ledger(root)
        ledger.forget(
            {
                name
                for record in ledger.records.values()
                for name in names & record.outputs.keys()
                if _is_damaged(root, name, record.outputs[name], deep=deep)
            }
        )
