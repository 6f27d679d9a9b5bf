"""What a person sees while a run goes on: steps, progress, where things are."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from iota2.core.graph import Step
from iota2.run.job import JobResult
from iota2.run.plan import Plan
from iota2.run.runner import Watcher
from iota2.run.survey import Survey


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

    def started(self, plan: Plan) -> None:
        """Start the progress bar, or count jobs for plain lines."""
        self._left = Counter(job.step.name for job in plan.jobs)
        self._total = len(plan.jobs)
        self._started = time.monotonic()
        self.say(f"{self._total} jobs; output in {plan.root}")
        if sys.stdout.isatty():
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self.out,
            )
            self._bar = self._progress.add_task("starting", total=self._total)
            self._progress.start()

    def ended(self, result: JobResult) -> None:
        """Move the bar; on a plain log, a line when a step is complete or a job failed."""
        step = result.id.split("/")[0]
        self._left[step] -= 1
        self._done += 1
        if result.state == "failed":
            self.say(f"FAILED {result.id}: {result.message}")
        if self._progress is not None and self._bar is not None:
            self._progress.update(self._bar, completed=self._done, description=step)
        elif self._left[step] == 0:
            elapsed = time.monotonic() - self._started
            self.say(f"{elapsed:7.1f} s  {self._done:4} of {self._total} jobs  {step}")

    def close(self) -> None:
        """Stop the progress bar."""
        if self._progress is not None:
            self._progress.stop()
