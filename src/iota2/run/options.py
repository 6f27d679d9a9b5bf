"""What is asked for on the command line: options, the steps they choose, and the command that asks for the rest."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from iota2.config.options_chain import GROUPS
from iota2.config.schema import Config
from iota2.core.graph import Resources, Step
from iota2.errors import UserError

EngineName = Literal["debug", "local", "slurm", "pbs"]
SCHEDULERS: Mapping[str, EngineName] = {
    "debug": "debug",
    "localCluster": "local",
    "Slurm": "slurm",
    "PBS": "pbs",
    "cluster": "pbs",
}
"""The original's names of places to run."""


@dataclass(frozen=True)
class Options:
    """How a run is asked for on the command line; None leaves the configuration's word."""

    first_step: str | None = None
    last_step: str | None = None
    starting: int | None = None
    """Number of the first step, from 1, as the summary prints them."""
    ending: int | None = None
    workers: int | None = None
    """Worker processes, here or as jobs of a cluster; 0 runs everything in this process."""
    engine: EngineName = "local"
    scheduler: str | None = None
    """Address of a Dask scheduler that already runs, and is used in place of ``engine``."""
    resources: Path | None = None
    """Resources file."""
    restart: bool = False
    """Go on with what an earlier run made, whatever ``remove_output_path`` says."""
    force: tuple[str, ...] = ()
    """Steps whose jobs run in any case."""
    use: Resources = field(default_factory=Resources)


def chosen_steps(steps: Sequence[Step], config: Config, options: Options) -> list[tuple[Step, bool]]:
    """Active steps, each with whether it is to be run."""
    first = _group(options.first_step or config.chain.first_step, "first step", steps)
    last = _group(options.last_step or config.chain.last_step, "last step", steps)
    start = 1 if options.starting is None else options.starting
    end = len(steps) if options.ending is None else options.ending
    if not 1 <= start <= len(steps) or not start <= end <= len(steps):
        raise UserError(
            f"Steps {start} to {end} were asked for; steps are numbered 1 to {len(steps)} and the first must not "
            "come after the last."
        )
    chosen = [
        (step, first <= GROUPS.index(step.group) <= last and start <= number <= end)
        for number, step in enumerate(steps, start=1)
    ]
    if not any(run for _, run in chosen):
        raise UserError("No step is left to run: check the first and the last step.")
    return chosen


def groups_of(steps: Sequence[Step]) -> list[str]:
    """The groups that have steps, in the order of a run."""
    return list(dict.fromkeys(step.group for step in steps))


def _group(name: str, what: str, steps: Sequence[Step]) -> int:
    if name not in GROUPS:
        groups = f"Groups: {', '.join(groups_of(steps))}."
        own = next((step.group for step in steps if step.name == name), None)
        hint = f"It is a step of the group {own}. " if own else ""
        raise UserError(f"{what}: {name!r} is no group of steps. {hint}{groups}")
    return GROUPS.index(name)


def resume_command(config: Config, options: Options) -> str:
    """The command that goes on where a run ended: in the same place, with the same steps and means.

    Steps that were given by number need the command that knows numbers.
    """
    words = _by_number(config, options) if options.starting or options.ending else _by_group(config, options)
    return shlex.join(words)


def _by_group(config: Config, options: Options) -> list[str]:
    given = {
        "--first-step": options.first_step,
        "--last-step": options.last_step,
        "--workers": options.workers,
        "--memory": None if options.use.memory == Resources.memory else options.use.memory >> 20,
        "--engine": None if options.engine == "local" else options.engine,
        "--scheduler": options.scheduler,
        "--resources": options.resources,
    }
    words = ["iota2", "run", str(config.source), *_words(given)]
    words += ["--restart"] if config.chain.remove_output_path else []
    return [*words, *(word for step in options.force for word in ("--force", step))]


def _by_number(config: Config, options: Options) -> list[str]:
    given = {
        "-config": config.source,
        "-scheduler_type": next(name for name, engine in SCHEDULERS.items() if engine == options.engine),
        "-nb_parallel_tasks": options.workers,
        "-starting_step": options.starting,
        "-ending_step": options.ending,
        "-config_ressources": options.resources,
    }
    return ["Iota2.py", *_words(given), *(["-restart"] if config.chain.remove_output_path else [])]


def _words(given: Mapping[str, object]) -> list[str]:
    return [word for name, value in given.items() if value is not None for word in (name, str(value))]
