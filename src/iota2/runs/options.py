"""Options of the command line, the steps that they select, and the command that resumes a run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from iota2.chains import chain_of
from iota2.config.options.schema import Config
from iota2.core.builder import Chain
from iota2.core.graph import Resources, Step
from iota2.core.words import choice_meant, did_you_mean
from iota2.errors import UserError

EngineName = Literal["debug", "local", "slurm", "pbs"]
SCHEDULERS: Mapping[str, EngineName] = {
    "debug": "debug",
    "localCluster": "local",
    "Slurm": "slurm",
    "PBS": "pbs",
    "cluster": "pbs",
}
"""Engines by their names in the legacy program."""

MAX_WORKERS = 10_000
"""Maximum number of workers."""
MAX_ARGUMENT_CHARACTERS = 60
"""Maximum length of an argument of the command line in a message."""


@dataclass(frozen=True)
class Options:
    """Options of a run on the command line; None uses the value of the configuration."""

    first_step: str | None = None
    last_step: str | None = None
    """Name of a group or step, or number of a step; so for ``first_step``."""
    legacy_first_step: int | str | None = None
    """``-starting_step`` of ``Iota2.py``; applies in addition to ``first_step``."""
    legacy_last_step: int | str | None = None
    """``-ending_step`` of ``Iota2.py``; applies in addition to ``last_step``."""
    workers: int | None = None
    """Number of worker processes, local or as jobs of a cluster; 0 runs everything in this process."""
    engine: EngineName = "local"
    scheduler: str | None = None
    """Address of a running Dask scheduler to use instead of ``engine``."""
    resources: Path | None = None
    """Resources file."""
    restart: bool = False
    """Resume an earlier run, even if ``remove_output_path`` is True."""
    force: tuple[str, ...] = ()
    """Steps whose jobs run even if they are up to date."""
    use: Resources = field(default_factory=Resources)
    """Memory and threads of a job."""


def chosen_steps(steps: Sequence[Step], config: Config, options: Options) -> list[tuple[Step, bool]]:
    """Active steps, each with whether it is selected: it lies within all requested bounds. UserError if none is."""
    chain = chain_of(config)
    asked = _bounds(config, options)
    numbers = [chain.numbers[step.name] for step in steps]
    first = max((bound.first for bound in asked if bound.begins), default=1)
    last = min((bound.last for bound in asked if not bound.begins), default=len(chain.steps))
    chosen = [(step, first <= number <= last) for step, number in zip(steps, numbers, strict=True)]
    if not any(run for _, run in chosen):
        raise UserError(_no_step_message(asked, first, last, steps, chain))
    return chosen


def step_notes(steps: Sequence[Step], config: Config, options: Options) -> list[str]:
    """Notes on first and last steps that are not active, with the step where the run begins or ends instead."""
    chosen = [step for step, run in chosen_steps(steps, config, options) if run]
    numbers = chain_of(config).numbers
    active = {numbers[step.name] for step in steps}
    notes = []
    for bound in _bounds(config, options):
        if not active & set(bound.numbers):
            what, step = ("begins", chosen[0]) if bound.begins else ("ends", chosen[-1])
            notes.append(
                f"{bound.option}: {bound.named} is not active with this configuration; the run {what} with step "
                f"{numbers[step.name]} ({step.name})"
            )
    return notes


@dataclass(frozen=True)
class _Bound:
    """A requested first or last step."""

    option: str
    begins: bool
    named: str
    first: int
    last: int
    """Range of step numbers; ``last`` is below ``first`` for a group without steps."""

    @property
    def numbers(self) -> range:
        return range(self.first, self.last + 1)


def _bounds(config: Config, options: Options) -> list[_Bound]:
    """Requested first and last steps, from the command line or the configuration, and from ``Iota2.py``.

    Defaults of the configuration are no bounds.
    """
    firsts = {"--first-step": options.first_step, "-starting_step": options.legacy_first_step}
    lasts = {"--last-step": options.last_step, "-ending_step": options.legacy_last_step}
    written = config.chain.model_fields_set
    if options.first_step is None and "first_step" in written:
        firsts["chain.first_step"] = config.chain.first_step
    if options.last_step is None and "last_step" in written:
        lasts["chain.last_step"] = config.chain.last_step
    chain = chain_of(config)
    return [
        _bound(chain, option, asked, begins=begins)
        for begins, given in ((True, firsts), (False, lasts))
        for option, asked in given.items()
        if asked is not None
    ]


def _bound(chain: Chain, option: str, asked: int | str, *, begins: bool) -> _Bound:
    """The steps with this number, group name or step name; a group takes precedence over a step of the same name.

    UserError if there is no such step.
    """
    text = str(asked).strip()
    text = text if len(text) <= MAX_ARGUMENT_CHARACTERS else f"{text[:MAX_ARGUMENT_CHARACTERS]}…"
    if re.fullmatch(r"[+-]?\d+", text):
        if text.lstrip("+").lstrip("0") not in map(str, chain.names):
            raise UserError(
                f"{option}: there is no step {text}; steps are numbered 1 to {len(chain.names)}: "
                f"{_numbered_steps(chain)}."
            )
        number = int(text)
        return _Bound(option, begins, f"step {number} ({chain.names[number]})", number, number)
    if group := _matching_name(text, chain.order):
        before = sum(chain.order.index(step.group) < chain.order.index(group) for step in chain.steps)
        size = sum(step.group == group for step in chain.steps)
        return _Bound(option, begins, f"group {group}", before + 1, before + size)
    if name := _matching_name(text, chain.numbers):
        number = chain.numbers[name]
        return _Bound(option, begins, f"step {number} ({name})", number, number)
    groups = chain.groups
    hint = did_you_mean(text, [*groups, *chain.numbers]) or choice_meant(text, groups) or "."
    raise UserError(
        f"{option}: {text!r} is neither a step nor a group of steps{hint} Groups: {', '.join(groups)}. "
        f"Steps: {_numbered_steps(chain)}."
    )


def _matching_name(text: str, names: Iterable[str]) -> str | None:
    """The name that equals ``text`` in any letter case; None if there is none."""
    return next((name for name in names if name.lower() == text.lower()), None)


def _numbered_steps(chain: Chain) -> str:
    return ", ".join(f"{number} {name}" for number, name in chain.names.items())


def _no_step_message(asked: Sequence[_Bound], first: int, last: int, steps: Sequence[Step], chain: Chain) -> str:
    """Message if no step is selected, with the first and last step that exclude all steps."""
    bounds = [bound for bound in asked if (bound.first == first if bound.begins else bound.last == last)]
    given = " and ".join(f"{bound.option} {bound.named}" for bound in bounds)
    if first > len(chain.names):
        (begin, *_) = bounds
        return f"No step to run with {begin.option}: {begin.named} has no steps. Give an earlier group or step."
    if first > last:
        return f"No step to run with {given}: the first step comes after the last."
    numbers = [chain.numbers[step.name] for step in steps]
    before, after = [n for n in numbers if n < first], [n for n in numbers if n > last]
    near = " and ".join(f"{n} {chain.names[n]}" for n in (*before[-1:], *after[:1]))
    return f"No step to run with {given}: none of these steps is active. The nearest active steps are {near}."


def steps_named(chain: Chain, option: str, asked: str) -> list[str]:
    """The steps, active or not, with this name, number or group name; a step takes precedence over a group.

    UserError if there is no such step.
    """
    if name := _matching_name(asked.strip(), chain.numbers):
        return [name]
    return [chain.names[number] for number in _bound(chain, option, asked, begins=True).numbers]


def resume_command(config: Config, options: Options) -> str:
    """The command that resumes a run with the same options; ``Iota2.py`` if steps were given to that command."""
    legacy = options.legacy_first_step or options.legacy_last_step
    return shlex.join((_legacy_arguments if legacy else _iota2_arguments)(config, options))


def paths_from_arguments(config: Config) -> list[str]:
    """``--paths-from`` and its folder as arguments of a command; empty if not given."""
    return _arguments({"--paths-from": config.chain.paths_from})


def _iota2_arguments(config: Config, options: Options) -> list[str]:
    given = {
        "--first-step": options.first_step,
        "--last-step": options.last_step,
        "--workers": options.workers,
        "--memory": None if options.use.memory == Resources.memory else options.use.memory >> 20,
        "--engine": None if options.engine == "local" else options.engine,
        "--scheduler": options.scheduler,
        "--resources": options.resources,
    }
    words = ["iota2", "run", str(config.source), *paths_from_arguments(config), *_arguments(given)]
    words += ["--restart"] if config.chain.remove_output_path else []
    return [*words, *(word for step in options.force for word in ("--force", step))]


def _legacy_arguments(config: Config, options: Options) -> list[str]:
    given = {
        "-config": config.source,
        "-paths_from": config.chain.paths_from,
        "-scheduler_type": next(name for name, engine in SCHEDULERS.items() if engine == options.engine),
        "-nb_parallel_tasks": options.workers,
        "-starting_step": options.legacy_first_step,
        "-ending_step": options.legacy_last_step,
        "-config_ressources": options.resources,
    }
    return ["Iota2.py", *_arguments(given), *(["-restart"] if config.chain.remove_output_path else [])]


def _arguments(given: Mapping[str, object]) -> list[str]:
    return [word for name, value in given.items() if value is not None for word in (name, str(value))]
