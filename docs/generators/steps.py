"""The page on the steps of the builders."""

from __future__ import annotations

from collections.abc import Iterable

from generators.markdown import GENERATED, code, sentence, table
from iota2.chains import BUILDERS, MAP_SURVEY, SURVEY
from iota2.core.builder import Builder, Chain
from iota2.core.graph import AXES, Artifact, Step

HEAD = f"""{GENERATED}

# Steps

Each builder is defined in a file of `src/iota2/chains`. The number of a step depends only on the builders of the
configuration; this page gives the numbers for each builder alone. `-starting_step` and `-ending_step` of `Iota2.py`,
and `--first-step` and `--last-step` of `iota2`, accept the number or the name of a step, or a group; if a group and a
step have the same name, the group is selected. If the selected step is not active, the run begins with the next active
one, or ends with the previous one, and a note says so. A new version may insert steps: names are more stable than
numbers. `first_step` and `last_step` of the configuration accept the same groups. The logs of a step are in
`logs/<name>`, with two files for each job.
"""
SURVEY_HEAD = """## Before the first step

At every start of a run the survey scans the headers of the archive. It writes these files; jobs read them
instead of listing folders.
"""


def steps_page() -> str:
    """A table of the steps of each builder, then the parameters, inputs and outputs of each step."""
    found = table(("file", "content"), [(code(artifact.path), artifact.about) for artifact in (*SURVEY, *MAP_SURVEY)])
    steps = {step.name: step for builder in BUILDERS for step in builder.steps}
    tables = [_builder(builder) for builder in BUILDERS]
    return "\n".join([HEAD, *tables, f"{SURVEY_HEAD}\n{found}", *(_step(step) for step in steps.values())])


def _builder(builder: Builder) -> str:
    """The steps of one builder."""
    rows = [
        (str(number), step.group, f"[{step.name}](#{step.name.lower()})", code(step.task), _over(step), step.about)
        for number, step in enumerate(Chain((builder,)).steps, start=1)
    ]
    head = ("#", "group", "step and log folder", "name of a job", "one job for each", "description")
    return f"## {builder.name}\n\n{builder.about}\n\n{table(head, rows)}"


def _over(step: Step) -> str:
    return " × ".join(step.over) or "run"


def _step(step: Step) -> str:
    about = sentence(step.params.__doc__)
    parameters = (
        about if about.startswith("Parameters of") else f"Parameters: {about[:1].lower()}{about[1:] or 'none.'}"
    )
    parts = [
        f"## {step.name}\n",
        f"{_numbers(step)}, group {step.group}, one job for each {_over(step)}. {sentence(step.run.__doc__)}\n",
        f"{parameters}\n",
        _artifacts(step, "reads", ((name, a) for name, need in step.all_needs.items() for a in need.choices)),
        _artifacts(step, "makes", step.makes.items()),
    ]
    return "\n".join(parts)


def _numbers(step: Step) -> str:
    """The number of a step in each builder that has it: ``Step 3 of I2Classification``."""
    chains = [(builder.name, Chain((builder,)).numbers) for builder in BUILDERS if step in builder.steps]
    return "Step " + ", ".join(f"{numbers[step.name]} of {name}" for name, numbers in chains)


def _artifacts(step: Step, verb: str, artifacts: Iterable[tuple[str, Artifact]]) -> str:
    rows = [(code(name), code(a.path), _number(step, a), a.about) for name, a in artifacts]
    return table((verb, "file", "number", "content"), rows)


def _number(step: Step, artifact: Artifact) -> str:
    """Number of files of an artifact for a job: one for each combination of the axes that the step does not have."""
    free = [axis for axis in AXES if axis in artifact.axes and axis not in step.over]
    return f"one per {' × '.join(free)}" if free else "one"
