"""Regions that cannot be in one run, because their models or files would have the same names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from iota2.core.cost import model_name
from iota2.core.graph import Artifact

ModelAxes = Mapping[str, str]
"""Region, sub-model and source of a model, by axis."""
_CAUSES = {
    "submodel": "which is split (arg_classification.classif_mode 'fusion')",
    "source": "which has radar models (arg_train.dempster_shafer_sar_opt_fusion)",
}
"""Why a region has several models, by the axis that distinguishes them."""


def region_name_problems(models: Sequence[ModelAxes], artifacts: Iterable[Artifact]) -> list[str]:
    """A problem for each pair of regions with equal names of models or files.

    ``models``: all models of the regions. ``artifacts``: the kinds of files of the run; of several common files, the
    problem names the one with the shortest path.
    """
    named = {model_name(model): model for model in models if any(model[axis] for axis in _CAUSES)}
    problems = {
        frozenset((named[region]["region"], region)): _equal_models(named[region], region)
        for region in dict.fromkeys(model["region"] for model in models)
        if region in named
    }
    owners: dict[str, str] = {}
    for artifact in sorted(artifacts, key=lambda artifact: (len(artifact.path), artifact.path)):
        for model in models if "region" in artifact.axes else ():
            region, path = model["region"], artifact.path.format_map(_Shown(model))
            pair = frozenset((owners.setdefault(path, region), region))
            if len(pair) > 1:
                problems.setdefault(pair, _equal_files(sorted(pair), path))
    return [*problems.values()]


def _equal_models(owner: ModelAxes, region: str) -> str:
    cause = next(text for axis, text in _CAUSES.items() if owner[axis])
    return (
        f"region {region!r} has the name of a model of region {owner['region']!r}, {cause}; rename one of the two "
        "regions."
    )


def _equal_files(regions: Sequence[str], path: str) -> str:
    return "regions {!r} and {!r} would have the same file, {}; rename one of the two regions.".format(*regions, path)


class _Shown(dict[str, str]):
    """Values in a path; other axes and constants are shown as ``<tile>``."""

    def __missing__(self, name: str) -> str:
        return f"<{name}>"
