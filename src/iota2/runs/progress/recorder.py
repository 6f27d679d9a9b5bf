"""Records, job states and damaged products, written during a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iota2.runs.host import disk_is_full
from iota2.runs.progress.status import RunState, Status, note_end
from iota2.runs.records.damage import note_damage
from iota2.runs.records.records import Ledger
from iota2.runs.workers.job import JobResult


class RunRecorder:
    """Records, job states and damaged products, written when jobs end.

    A full disk does not end the run here: the jobs that need disk space fail and are reported. Entries that could not
    be written are written at the end, if there is space again.
    """

    def __init__(self, root: Path, ledger: Ledger, status: Status, *, skip_damaged: bool) -> None:
        self._root, self._ledger, self._status, self._skip_damaged = root, ledger, status, skip_damaged
        self._disk_error: OSError | None = None

    def ended(self, result: JobResult) -> None:
        """Write the result of a job."""
        if result.state == "done" and result.record is not None:
            with self._despite_full_disk():
                self._ledger.add(result.record)
        if result.damage is not None and self._skip_damaged:
            with self._despite_full_disk():
                note_damage(self._root, result.damage)
        with self._despite_full_disk():
            self._status.ended(result)

    def close(self, state: RunState) -> None:
        """Complete the records and states, and note how the run ended."""
        if self._disk_error is not None:
            self._disk_error = None
            with self._despite_full_disk():
                self._ledger.compact()
        with self._despite_full_disk():
            self._status.write()
            note_end(self._root, state)

    def require_written(self) -> None:
        """Raise the error of a full disk if entries could not be written."""
        if self._disk_error is not None:
            raise self._disk_error

    @contextmanager
    def _despite_full_disk(self) -> Iterator[None]:
        """Suppress the error of a full disk in the body, and keep it."""
        try:
            yield
        except OSError as err:
            if not disk_is_full(err):
                raise
            self._disk_error = err
