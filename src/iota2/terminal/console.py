"""Progress of a run on the terminal: steps, jobs, products."""

from __future__ import annotations

import os
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
from iota2.core.remarks import texts_of
from iota2.core.scene import SensorScene
from iota2.core.words import counted, json_text, printable, without_backticks
from iota2.core.wrapping import wrapped
from iota2.errors import Iota2Error, exit_code_of, message_of
from iota2.runs.plan.jobs import Job, Plan
from iota2.runs.progress.pace import Pace
from iota2.runs.progress.status import (
    RESULT_TEXTS,
    VERDICT_TEXTS,
    JobState,
    RunState,
    job_states,
    jobs_left_out,
    last_run_state,
)
from iota2.runs.records.lock import holder
from iota2.runs.records.verdicts import Verdict
from iota2.runs.survey.forecast import Forecast
from iota2.runs.survey.survey import Survey
from iota2.runs.watcher import Watcher
from iota2.runs.workers.heartbeat import read_heartbeats
from iota2.runs.workers.job import JobResult

RUN_STATE_TEXTS: Mapping[RunState, str] = {
    "running": "did not finish: it was killed, or the disk was full",
    "done": "finished successfully",
    "failed": "finished with failed jobs",
    "stopped": "was stopped",
}
"""Descriptions of how a run ended; ``running`` for a run whose process no longer exists."""
MAX_SHOWN_JOBS = 20
"""Maximum number of jobs of one step that are listed."""
MAX_SHOWN_PRODUCTS = 5
"""Maximum number of products of one kind that are listed."""
MAX_SILENCE_SECONDS = 30.0
"""Seconds after which a plain log shows progress although no step is complete."""


def _images_text(sensor: SensorScene) -> str:
    """Images of a sensor on a tile: number and range of dates, or layers."""
    if sensor.spec.static:
        return f"layers without dates: {', '.join(sensor.spec.band_names)}"
    return f"{counted(len(sensor.by_day), 'date')} of {sensor.spec.name}, {sensor.days[0]} to {sensor.days[-1]}"


def _reads_recipe(step: Step) -> bool:
    """Whether a step after the preparation of the images reads the definition of the features."""
    read = {artifact for need in step.all_needs.values() for artifact in need.choices}
    return step.group != "init" and not read.isdisjoint((layout.RECIPE, layout.MAP_BANDS))


def _makes_map(step: Step) -> bool:
    """Whether a step makes a raster of all tiles."""
    return any(made.path.endswith((".tif", ".zarr")) and "tile" not in made.axes for made in step.makes.values())


def totals_text(verdicts: Mapping[str, Verdict]) -> str:
    """Numbers of jobs that will run, may run, and are up to date."""
    states = Counter(verdict.state for verdict in verdicts.values())
    are = "is" if states["fresh"] == 1 else "are"
    return f"{counted(states['stale'], 'job')} will run, {states['open']} may run, {states['fresh']} {are} up to date"


def for_terminal(text: str, width: int | None) -> str:
    """The text, wrapped between words to ``width`` columns; None, for output to a file, does not wrap it.

    Control characters in names and paths are shown as escapes.
    """
    shown = printable(text)
    return shown if width is None else wrapped(shown, width, exists=os.path.exists)


class Console(Watcher):
    """Prints to a terminal with a progress bar, and plain lines elsewhere."""

    def __init__(self) -> None:
        self.out = RichConsole(highlight=False, soft_wrap=True, emoji=False)
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}
        self._pace: Pace | None = None
        self._root = Path()
        self._outdated: Mapping[Path, str] = {}
        self._failed = 0
        self._said = time.monotonic()

    def say(self, text: str = "") -> None:
        """Print lines, wrapped between words on a terminal."""
        self.out.print(for_terminal(text, self.out.width if self.out.is_terminal else None), markup=False)

    def summary(self, steps: Sequence[tuple[int, Step, bool]], found: Survey) -> None:
        """Print the inputs in a few lines, then the numbered steps by group, with a mark on steps to run."""
        self.inputs(found, [step for _, step, _ in steps])
        self.steps(steps)

    def inputs(self, found: Survey, steps: Sequence[Step]) -> None:
        """Print the inputs found: dates by tile, notes on ignored files, number of features, size of the map.

        The last two are omitted if no step of ``steps`` computes features or makes a raster of all tiles.
        """
        for tile, scene in found.scenes.items():
            for sensor in scene.sensors:
                self.say(f"{tile}: {_images_text(sensor)}")
            for note in texts_of(found.notes[tile]):
                self.say(f"  note: {note}")
        for remark in found.remarks:
            self.say(remark.line)
        if any(map(_reads_recipe, steps)):
            self.say(f"{len(found.recipe.names)} features per pixel")
            for line in (line for trial in found.trials for line in trial.texts):
                self.say(f"  {line}")
            for warning in filter(None, (trial.warning for trial in found.trials)):
                self.say(f"warning: {warning}")
        if found.scenes:
            self.say(found.extent.text(mapped=any(map(_makes_map, steps))))
        self.say()

    def steps(self, steps: Sequence[tuple[int, Step, bool]]) -> None:
        """Print the numbered steps by group, with a mark on steps to run."""
        for group, members in groupby(steps, key=lambda item: item[1].group):
            self.say(f"Group {group}:")
            for number, step, chosen in members:
                self.say(f"  [{'x' if chosen else ' '}] Step {number:2}: {without_backticks(step.about)} ({step.name})")
        self.say()

    def started(self, plan: Plan, verdicts: Mapping[str, Verdict], forecast: Forecast | None = None) -> None:
        """Print the number of jobs and, on a terminal, start the progress bars; a repeated run calls this again."""
        self.close()
        self._pace, self._root, self._failed = (pace := Pace(plan, verdicts, forecast)), plan.root, 0
        self.say(f"{counted(pace.total, 'job')}, {pace.done} of them up to date; output in {plan.root}")
        if self.out.is_terminal and pace.done < pace.total:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"),
                console=self.out,
            )
            self._bars[""] = self._progress.add_task(
                "all", total=pace.total, completed=pace.done, left=pace.remaining_text()
            )
            self._progress.start()

    def ended(self, result: JobResult) -> None:
        """Update the bars; a plain log gets a line for a complete step, a failed job, or after a long silence."""
        pace, step = self._pace, result.id.split("/")[0]
        if pace is None:
            return
        pace.ended(result)
        if result.state == "blocked":
            return
        if result.state == "failed":
            self._failed += 1
            self.say(f"FAILED {result.id} (log: {self._root / 'logs' / result.id}.err)")
        if self._progress is not None:
            self._move(self._progress, pace, step)
        elif pace.left[step] == 0 or time.monotonic() - self._said > MAX_SILENCE_SECONDS:
            self._said = time.monotonic()
            percent = 100 * pace.done // pace.total
            failed = f", {self._failed} failed" if self._failed else ""
            jobs = f"{pace.done:4} of {counted(pace.total, 'job')}, {percent:3} %{failed}"
            self.say(f"{pace.elapsed:7.1f} s  {jobs}  {step} {pace.step_text(step)}  {pace.remaining_text()}".rstrip())

    def _move(self, progress: Progress, pace: Pace, step: str) -> None:
        """Update the bar of all jobs, and one for each step in progress."""
        progress.update(self._bars[""], completed=pace.done, left=pace.remaining_text())
        if step not in self._bars:
            self._bars[step] = progress.add_task(step, total=pace.size[step], left="")
        progress.update(self._bars[step], completed=pace.size[step] - pace.left[step], visible=pace.left[step] > 0)

    def outdated(self, products: Mapping[Path, str]) -> None:
        """Keep the outdated products for the end of the run."""
        self._outdated = products

    def finished(self, products: Sequence[tuple[Path, str]], output: Path) -> None:
        """Print the products, one sentence each, then those of an earlier run that are out of date."""
        self.close()
        current = [(product, about) for product, about in products if product not in self._outdated]
        self.say(f"\nDone. {'Products:' if current else f'Results so far: {output}'}")
        for about, of_kind in groupby(current, key=lambda pair: pair[1]):
            paths = [product for product, _ in of_kind]
            for product in paths[:MAX_SHOWN_PRODUCTS]:
                self.say(f"  {product}")
            if len(paths) > MAX_SHOWN_PRODUCTS:
                self.say(f"  … and {len(paths) - MAX_SHOWN_PRODUCTS} more")
            self.say(f"      {without_backticks(about)}")
        old = sorted((reason, product) for product, reason in self._outdated.items())
        for reason, members in groupby(old, key=lambda pair: pair[0]):
            self.say(f"OUT OF DATE, from an earlier run: {reason}")
            paths = [product for _, product in members]
            for product in paths[:MAX_SHOWN_PRODUCTS]:
                self.say(f"  {product}")
            if len(paths) > MAX_SHOWN_PRODUCTS:
                self.say(f"  … and {len(paths) - MAX_SHOWN_PRODUCTS} more")

    def failed(self, error: Exception) -> None:
        """Stop the progress bars; the caller reports the error."""
        self.close()

    def preview(self, plan: Plan, verdicts: Mapping[str, Verdict], removed: int = 0) -> None:
        """Print the jobs that will or may run, by step, with reasons, and the number of files ``removed`` first."""
        for step, jobs in groupby(plan.jobs, key=lambda job: job.step.name):
            members = list(jobs)
            shown = [job for job in members if verdicts[job.id].state != "fresh"]
            self.say(f"Step {plan.numbers[step]:2} {step}: {len(members) - len(shown)} of {len(members)} up to date")
            for job in shown[:MAX_SHOWN_JOBS]:
                verdict = verdicts[job.id]
                self.say(f"  {VERDICT_TEXTS[verdict.state]:8}  {job.task}: {verdict.reason}")
            if len(shown) > MAX_SHOWN_JOBS:
                self.say(f"  … and {len(shown) - MAX_SHOWN_JOBS} more")
        self.say(totals_text(verdicts))
        if removed:
            self.say(f"chain.remove_output_path: {counted(removed, 'file')} in {plan.root} will be removed first")

    def reasons(self, job: Job, verdict: Verdict, reasons: Sequence[str], last: JobState | None) -> None:
        """Print verdict, reasons, inputs and outputs of a job; ``last``: its state in the last run."""
        record = verdict.record
        others = [reason for reason in reasons if reason != VERDICT_TEXTS[verdict.state]]
        self.say(f"{job.id}: {VERDICT_TEXTS[verdict.state]}")
        for reason in others:
            self.say(f"  {reason}")
        if record is not None:
            self.say(f"  last made in {record.seconds:.1f} s; peak memory of its process {record.peak} MiB")
        if last is not None and last.state == RESULT_TEXTS["failed"]:
            self.say(f"  in the last run: failed after {last.measured}")
        for title, names in (("reads", job.reads), ("makes", job.makes)):
            for name in names:
                self.say(f"  {title} {job.inp.root / name}")

    def status(self, root: Path) -> None:
        """Print the process that uses an output folder, or how the last run ended, and the states of its jobs."""
        holding = holder(root)
        running = holding is not None and holding.alive
        if holding and running:
            self.say(f"running: process {holding.pid} on {holding.host}")
        else:
            end = last_run_state(root)
            self.say("no run in progress" + (f"; the last one {RUN_STATE_TEXTS[end]}" if end else ""))
        jobs = job_states(root).values()
        states = Counter(job.state for job in jobs)
        self.say(", ".join(f"{count} {state}" for state, count in states.items()) or "no jobs have been planned here")
        if jobs and (left_out := jobs_left_out(root)):
            run = "current run" if running else "last run"
            total = len(jobs) + left_out
            self.say(f"{left_out} of {counted(total, 'job')} not requested: the {run} is limited to some steps")
        for job in jobs:
            if job.state == RESULT_TEXTS["failed"]:
                self.say(f"  {job.line}")
        for beat in read_heartbeats(root).values() if running else ():
            memory = f"{beat.peak} MiB so far"
            self.say(f"  running for {time.time() - beat.started:.0f} s, {memory}, on {beat.worker}  {beat.id}")

    def close(self) -> None:
        """Stop the progress bars."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            self._bars.clear()


class JsonLines(Watcher):
    """Prints one JSON object per event and line, for machines."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._pace: Pace | None = None
        self._outdated: Mapping[Path, str] = {}

    def _print(self, event: str, **content: Any) -> None:
        print(json_text({"event": event, **content}), file=self._stream, flush=True)

    def say(self, text: str = "") -> None:
        """Print an event ``note``."""
        self._print("note", text=text)

    def summary(self, steps: Sequence[tuple[int, Step, bool]], found: Survey) -> None:
        """Print an event ``inputs``: dates by tile and sensor, notes, steps."""
        tiles = {
            tile: {
                sensor.spec.name: [] if sensor.spec.static else [day.isoformat() for day in sensor.by_day]
                for sensor in scene.sensors
            }
            for tile, scene in found.scenes.items()
        }
        remarks = [remark for of_tile in found.notes.values() for remark in of_tile]
        chosen = [step.name for _, step, wanted in steps if wanted]
        functions = [trial.text for trial in found.trials]
        warnings = [trial.warning for trial in found.trials if trial.warning]
        notes = [*texts_of((*remarks, *found.remarks)), *warnings]
        self._print("inputs", tiles=tiles, notes=notes, functions=functions, steps=chosen)

    def started(self, plan: Plan, verdicts: Mapping[str, Verdict], forecast: Forecast | None = None) -> None:
        """Print an event ``plan``: number of jobs by state."""
        self._pace = Pace(plan, verdicts, forecast)
        states = Counter(str(verdict.state) for verdict in verdicts.values())
        counts = {word.replace(" ", "_"): states[state] for state, word in VERDICT_TEXTS.items()}
        self._print("plan", jobs=self._pace.total, **counts, output=str(plan.root))

    def ended(self, result: JobResult) -> None:
        """Print an event ``job``: its result, the number of completed jobs, the seconds left."""
        if self._pace is None:
            return
        self._pace.ended(result)
        left = self._pace.seconds_left()
        self._print(
            "job",
            id=result.id,
            state=RESULT_TEXTS[result.state],
            seconds=round(result.seconds, 3),
            message=result.message,
            done=self._pace.done,
            jobs=self._pace.total,
            seconds_left=None if left is None else round(left, 1),
        )

    def outdated(self, products: Mapping[Path, str]) -> None:
        """Keep the outdated products for the event ``done``."""
        self._outdated = products

    def finished(self, products: Sequence[tuple[Path, str]], output: Path) -> None:
        """Print an event ``done`` with the products; ``out_of_date`` is the reason for one of an earlier run."""
        known = dict(products)
        for path in self._outdated.keys() - known:
            artifact = layout.product_of(path.relative_to(output).as_posix(), layout.artifacts())
            known[path] = artifact.about if artifact else ""
        found = [
            {"path": str(path), "about": about, "out_of_date": self._outdated.get(path)}
            for path, about in known.items()
        ]
        self._print("done", output=str(output), products=found)

    def failed(self, error: Exception) -> None:
        """Print an event ``failed`` with the message and the exit code."""
        self._print("failed", exit_code=exit_code_of(error), message=message_of(error))
        if isinstance(error, Iota2Error):
            error.is_shown = self._stream.isatty()

    def close(self) -> None:
        """Do nothing: the stream stays open."""
