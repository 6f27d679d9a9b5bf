"""What a person sees while a run goes on: steps, progress, where things are."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from iota2 import layout
from iota2.core.graph import Step
from iota2.errors import EXIT_DEFECT, Iota2Error
from iota2.run.job import JobResult
from iota2.run.ledger import Verdict
from iota2.run.lock import holder
from iota2.run.plan import Job, Plan
from iota2.run.runner import Watcher
from iota2.run.survey import Survey

WORDS = {"stale": "will run", "open": "may run", "fresh": "up to date"}
SHOWN = 20
"""Jobs of one step that an outlook names."""
SILENCE = 30.0
"""Seconds after which a plain log says how far a run is, though no step is complete."""
LEAST_AT_ONCE = 0.1
"""Jobs at work at a time: below, workers are still starting."""


class Pace:
    """How far a run is, and how long the rest will take: jobs that are up to date count as done."""

    def __init__(self, plan: Plan, verdicts: Mapping[str, Verdict]) -> None:
        self.size = Counter(job.step.name for job in plan.jobs)
        """Jobs by step."""
        self.left = Counter(job.step.name for job in plan.jobs if verdicts[job.id].state != "fresh")
        """Those that have not ended."""
        self.total = len(plan.jobs)
        self.done = self.total - self.left.total()
        self._started = time.monotonic()
        self._worked = 0.0
        self._times: dict[str, tuple[float, int]] = {}
        for verdict in verdicts.values():
            if verdict.record is not None:
                self._note(verdict.record.id, verdict.record.seconds)

    def _note(self, id_: str, seconds: float) -> None:
        for name in (id_.split("/", maxsplit=1)[0], ""):
            total, count = self._times.get(name, (0.0, 0))
            self._times[name] = total + seconds, count + 1

    def ended(self, result: JobResult) -> None:
        """One job more has come to its end, well or not; one that is blocked is not done, and no longer to be done."""
        self.left[result.id.split("/")[0]] -= 1
        self.done += result.state != "blocked"
        self._worked += result.seconds
        if result.state == "done":
            self._note(result.id, result.seconds)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    def of_step(self, step: str) -> str:
        """How far a step is."""
        return f"{self.size[step] - self.left[step]}/{self.size[step]}"

    def seconds_left(self) -> float | None:
        """Jobs left by the mean time of their step, now or in an earlier run (of all steps where there is none), and
        by how many were at work at a time so far; None when nothing is known."""
        if not self._times:
            return None if self.done < self.total else 0.0
        means = {step: total / count for step, (total, count) in self._times.items()}
        work = sum(count * means.get(step, means[""]) for step, count in self.left.items())
        at_once = self._worked / self.elapsed if self._worked else 1.0
        return work / max(at_once, LEAST_AT_ONCE)

    def words(self) -> str:
        """The time left, to read; empty when it is not known, or all is done."""
        seconds = self.seconds_left()
        if not seconds:
            return ""
        minutes = round(seconds / 60)
        if minutes >= 60:
            return f"about {minutes // 60} h {minutes % 60} min left"
        return f"about {minutes} min left" if minutes >= 2 else f"about {max(1, round(seconds))} s left"


class Console(Watcher):
    """Prints to a terminal with a progress bar, and plain lines elsewhere."""

    def __init__(self) -> None:
        self.out = RichConsole(highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}
        self._pace: Pace | None = None
        self._said = time.monotonic()

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
        """Start the progress bars, or say what is to be done on a plain log."""
        self._pace = pace = Pace(plan, verdicts)
        self.say(f"{pace.total} jobs, {pace.done} of them up to date; output in {plan.root}")
        if self.out.is_terminal and pace.done < pace.total:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=self.out,
            )
            self._bars[""] = self._progress.add_task("all", total=pace.total, completed=pace.done, left=pace.words())
            self._progress.start()

    def ended(self, result: JobResult) -> None:
        """Move the bars; on a plain log, a line when a step is complete, a job failed, or nothing was said for long."""
        pace, step = self._pace, result.id.split("/")[0]
        if pace is None:
            return
        pace.ended(result)
        if result.state == "blocked":
            return
        if result.state == "failed":
            self.say(f"FAILED {result.id}: {result.message}")
        if self._progress is not None:
            self._move(self._progress, pace, step)
        elif pace.left[step] == 0 or time.monotonic() - self._said > SILENCE:
            self._said = time.monotonic()
            percent = 100 * pace.done // pace.total
            counted = f"{pace.done:4} of {pace.total} jobs, {percent:3} %"
            self.say(f"{pace.elapsed:7.1f} s  {counted}  {step} {pace.of_step(step)}  {pace.words()}".rstrip())

    def _move(self, progress: Progress, pace: Pace, step: str) -> None:
        """One bar for all, and one for each step that has begun and not ended."""
        progress.update(self._bars[""], completed=pace.done, left=pace.words())
        if step not in self._bars:
            self._bars[step] = progress.add_task(step, total=pace.size[step], left="")
        progress.update(self._bars[step], completed=pace.size[step] - pace.left[step], visible=pace.left[step] > 0)

    def finished(self, products: Sequence[tuple[Path, str]], output: Path) -> None:
        """The products, one sentence each."""
        self.close()
        self.say(f"\nDone. {'Products:' if products else f'Results so far: {output}'}")
        for product, about in products:
            self.say(f"  {product}\n      {about}")

    def failed(self, error: Exception) -> None:
        """Nothing: the error is told last, by who called."""
        self.close()

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
        """Stop the progress bars."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class JsonLines(Watcher):
    """Prints one JSON object per event and line, for machines."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._pace: Pace | None = None

    def _print(self, event: str, **content: Any) -> None:
        print(json.dumps({"event": event, **content}, ensure_ascii=False), file=self._stream, flush=True)

    def say(self, text: str = "") -> None:
        """An event ``note``."""
        self._print("note", text=text)

    def summary(self, steps: Sequence[tuple[Step, bool]], found: Survey) -> None:
        """An event ``inputs``: dates by tile and sensor, what was passed over, steps."""
        tiles = {
            tile: {sensor.spec.name: [day.isoformat() for day in sensor.days] for sensor in scene.sensors}
            for tile, scene in found.scenes.items()
        }
        notes = [note for told in found.notes.values() for note in told]
        chosen = [step.name for step, wanted in steps if wanted]
        self._print("inputs", tiles=tiles, notes=[*notes, *found.remarks], steps=chosen)

    def started(self, plan: Plan, verdicts: Mapping[str, Verdict]) -> None:
        """An event ``plan``: how many jobs there are in which state."""
        self._pace = Pace(plan, verdicts)
        states = Counter(str(verdict.state) for verdict in verdicts.values())
        counts = {state: states[state] for state in WORDS}
        self._print("plan", jobs=self._pace.total, **counts, output=str(plan.root))

    def ended(self, result: JobResult) -> None:
        """An event ``job``: what became of it, how many are done, the seconds left."""
        if self._pace is None:
            return
        self._pace.ended(result)
        left = self._pace.seconds_left()
        self._print(
            "job",
            id=result.id,
            state=result.state,
            seconds=round(result.seconds, 3),
            message=result.message,
            done=self._pace.done,
            jobs=self._pace.total,
            seconds_left=None if left is None else round(left, 1),
        )

    def finished(self, products: Sequence[tuple[Path, str]], output: Path) -> None:
        """An event ``done`` with the products."""
        found = [{"path": str(path), "about": about} for path, about in products]
        self._print("done", output=str(output), products=found)

    def failed(self, error: Exception) -> None:
        """An event ``failed`` with the message and the exit code."""
        code = error.exit_code if isinstance(error, Iota2Error) else EXIT_DEFECT
        self._print("failed", exit_code=code, message=str(error) or repr(error))

    def close(self) -> None:
        """Nothing is open."""
