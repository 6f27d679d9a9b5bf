"""What a person sees while a run goes on: steps, progress, where things are."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from iota2 import layout
from iota2.core.graph import Step
from iota2.run.job import JobResult
from iota2.run.ledger import Verdict
from iota2.run.lock import holder
from iota2.run.plan import Job, Plan
from iota2.run.runner import Watcher
from iota2.run.survey import Survey

WORDS = {"stale": "will run", "open": "may run", "fresh": "up to date"}
SHOWN = 20
"""Jobs of one step that an outlook names."""


class Console(Watcher):
    """Prints to a terminal with a progress bar, and plain lines elsewhere."""

    def __init__(self) -> None:
        self.out = RichConsole(highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._bar: TaskID | None = None
        self._left: Counter[str] = Counter()
        self._total = 0
        self._done = 0
        self._started = time.monotonic()

    def say(self, text: str = "") -> None:
        """Print a line as it is."""
        self.out.print(text, markup=False)

    def summary(self, steps: Sequence[tuple[Step, bool]], found: Survey) -> None:
        """Inputs in a few lines, then the numbered steps by group, those to be run marked."""
        self.inputs(found)
        self.steps(steps)

    def inputs(self, found: Survey) -> None:
        """What was found: dates by tile, features, what was passed over."""
        for tile, scene in found.scenes.items():
            for sensor in scene.sensors:
                days = sensor.days
                self.say(f"{tile}: {len(days)} dates of {sensor.spec.name}, {days[0]} to {days[-1]}")
            for note in found.notes[tile]:
                self.say(f"  note: {note}")
        for remark in found.remarks:
            self.say(f"note: {remark}")
        self.say(f"{len(found.recipe.names)} features per pixel")
        self.say()

    def steps(self, steps: Sequence[tuple[Step, bool]]) -> None:
        """The numbered steps by group, those to be run marked."""
        numbered = enumerate(steps, start=1)
        for group, members in groupby(numbered, key=lambda item: item[1][0].group):
            self.say(f"Group {group}:")
            for number, (step, chosen) in members:
                self.say(f"  [{'x' if chosen else ' '}] Step {number:2}: {step.about} ({step.name})")
        self.say()

    def started(self, plan: Plan, verdicts: Mapping[str, Verdict]) -> None:
        """Start the progress bar, or count jobs for plain lines."""
        states = Counter(verdict.state for verdict in verdicts.values())
        self._left = Counter(job.step.name for job in plan.jobs if verdicts[job.id].state != "fresh")
        self._total, self._done = len(plan.jobs), states["fresh"]
        self._started = time.monotonic()
        self.say(f"{self._total} jobs, {states['fresh']} of them up to date; output in {plan.root}")
        if sys.stdout.isatty() and self._left:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self.out,
            )
            self._bar = self._progress.add_task("starting", total=self._total, completed=self._done)
            self._progress.start()

    def ended(self, result: JobResult) -> None:
        """Move the bar; on a plain log, a line when a step is complete or a job failed."""
        step = result.id.split("/")[0]
        if result.state == "blocked":
            return
        self._left[step] -= 1
        self._done += 1
        if result.state == "failed":
            self.say(f"FAILED {result.id}: {result.message}")
        if self._progress is not None and self._bar is not None:
            self._progress.update(self._bar, completed=self._done, description=step)
        elif self._left[step] == 0:
            elapsed = time.monotonic() - self._started
            self.say(f"{elapsed:7.1f} s  {self._done:4} of {self._total} jobs  {step}")

    def outlook(self, plan: Plan, verdicts: Mapping[str, Verdict]) -> None:
        """What would run and why, what may run, step by step."""
        for step, jobs in groupby(plan.jobs, key=lambda job: job.step.name):
            members = list(jobs)
            told = [job for job in members if verdicts[job.id].state != "fresh"]
            self.say(f"{step}: {len(members) - len(told)} of {len(members)} up to date")
            for job in told[:SHOWN]:
                verdict = verdicts[job.id]
                self.say(f"  {WORDS[verdict.state]:8}  {job.task}: {verdict.reason}")
            if len(told) > SHOWN:
                self.say(f"  … and {len(told) - SHOWN} more")
        states = Counter(verdict.state for verdict in verdicts.values())
        self.say(f"{states['stale']} jobs will run, {states['open']} may run, {states['fresh']} are up to date")

    def reasons(self, job: Job, verdict: Verdict) -> None:
        """All about one job."""
        record = verdict.record
        self.say(f"{job.id}: {WORDS[verdict.state]}: {verdict.reason}")
        if record is not None:
            self.say(f"  last made in {record.seconds:.1f} s; peak memory of its process {record.peak} MiB")
        for title, paths in (("reads", job.inputs), ("makes", job.outputs)):
            for path in paths:
                self.say(f"  {title} {path}")

    def status(self, root: Path) -> None:
        """Who works in an output folder, and the states of its jobs."""
        holding = holder(root)
        running = holding is not None and holding.alive
        self.say(f"running: process {holding.pid} on {holding.host}" if holding and running else "no run is under way")
        path = root / layout.STATUS.path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        states = Counter(line.split(maxsplit=1)[0] for line in lines)
        self.say(", ".join(f"{count} {state}" for state, count in states.items()) or "no job has been planned here")
        for line in lines:
            if line.startswith("failed"):
                self.say(f"  {line}")

    def close(self) -> None:
        """Stop the progress bar."""
        if self._progress is not None:
            self._progress.stop()
