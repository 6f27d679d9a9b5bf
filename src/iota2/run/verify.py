"""Whether the outputs are as they were made, and what a run is going to do about those that are not."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from iota2.config.options.schema import Config
from iota2.errors import UserError
from iota2.run.outlook import check
from iota2.run.records.lock import locked
from iota2.run.records.records import Ledger
from iota2.run.records.stamps import Stamp, as_it_is, stat_stamp


@dataclass(frozen=True)
class Findings:
    """Outputs that are not as they were made, relative to the output folder."""

    damaged: tuple[str, ...] = ()
    """Missing or different; the next run makes them again."""
    unneeded: tuple[str, ...] = ()
    """Missing or different too, of jobs that this configuration does not have: no run looks at them."""
    hidden: tuple[str, ...] = ()
    """Those of ``damaged`` that the next run does not notice: size and time are as they were, and they could not be
    struck from the records."""
    obstacle: str = ""
    """Why not."""


def verify(config: Config, *, deep: bool) -> Findings:
    """Look at all recorded outputs, at their bytes when ``deep``.

    Damage that a run would not notice is struck from the records, so that the next run makes the output again, and so
    is what nothing needs. UserError where nothing is recorded.
    """
    root = config.chain.output_path
    if not Ledger(root).records:
        raise UserError(
            f"{root}: nothing is recorded here, so there is nothing to compare. No run has ended a job in this folder: "
            "check chain.output_path, or run first."
        )
    found = damaged(root, deep=deep)
    if not found:
        return Findings()
    wanted = _wanted(config, found)
    bad = tuple(name for name in found if name in wanted)
    unneeded = tuple(name for name in found if name not in wanted)
    hidden = tuple(name for name in bad if stat_stamp(root / name) == (found[name].size, found[name].modified))
    try:
        _strike(root, {*hidden, *unneeded}, deep=deep)
    except (UserError, OSError) as err:
        return Findings(bad, unneeded, hidden, str(err))
    return Findings(bad, unneeded)


def damaged(root: Path, *, deep: bool) -> dict[str, Stamp]:
    """Recorded outputs that are missing or not as they were made, with the stamp that they had."""
    return {
        name: stamp
        for record in Ledger(root).records.values()
        for name, stamp in record.outputs.items()
        if _is_damaged(root, name, stamp, deep=deep)
    }


def _is_damaged(root: Path, name: str, stamp: Stamp, *, deep: bool) -> bool:
    try:
        return not (root / name).exists() or as_it_is(root / name, stamp, deep=deep) is None
    except FileNotFoundError:  # it went while it was looked at
        return True


def _wanted(config: Config, found: Iterable[str]) -> set[str]:
    """Of these outputs those that a run makes; all, when the inputs are not there and nothing can be planned."""
    try:
        _, plan = check(config)
    except UserError:
        return set(found)
    return {name for job in plan.jobs for name in job.makes}


def _strike(root: Path, names: Set[str], *, deep: bool) -> None:
    """Strike outputs from the records that are damaged still, now that no run is under way."""
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
