"""Text of a minimal working configuration."""

from __future__ import annotations

from iota2.config.options.chain import Chain
from iota2.config.options.train import ArgTrain
from iota2.options import default_of, shown

SELECTION = "{'sampler': 'random', 'strategy': 'percent', 'strategy.percent.p': 0.1}"
"""A selection of pixels to start from; by default, every pixel is a sample."""
CLASSIFIER, TEMPORAL = "'trees'", "['differences', 'statistics']"
"""The classifier and features that were the most accurate on areas apart from the samples; see
docs/choosing-a-classifier.md. The default, a forest of the plain series, predicts up to
1.4 times as fast."""


def minimal_config(
    *,
    output_path: str = "results",
    s2_path: str = "sensor_data",
    ground_truth: str = "ground_truth.shp",
    data_field: str = "code",
    nomenclature_path: str = "nomenclature.txt",
    color_table: str = "colors.txt",
    list_tile: str = "T31TCJ",
    proj: str = "EPSG:2154",
    yaml: bool = False,
) -> str:
    """A commented configuration, ``.cfg`` or YAML, for a Sentinel-2 map with a random forest; paths may be relative."""
    chain = {
        "output_path": output_path,
        "list_tile": list_tile,
        "s2_path": s2_path,
        "ground_truth": ground_truth,
        "data_field": data_field,
        "nomenclature_path": nomenclature_path,
        "color_table": color_table,
        "proj": proj,
    }
    quoted, between = (_quoted_in_yaml, ": ") if yaml else (_quoted, " : ")

    def entry(sentence: str | None, key: str, value: str) -> str:
        return f"  # {(sentence or '').replace('`', '')}\n  {key}{between}{value}"

    entries = "\n".join(entry(Chain.model_fields[key].description, key, quoted(chain[key])) for key in chain)
    seed = entry(ArgTrain.model_fields["random_seed"].description, "random_seed", "0")
    proposals = {"classifier": CLASSIFIER, "temporal_features": TEMPORAL, "sample_selection": SELECTION}
    seed += "".join(f"\n{_proposal(key, value)}" for key, value in proposals.items())
    seed += "".join(f"\n{_proposal(key, shown(default_of(ArgTrain.model_fields[key])))}" for key in ("ratio", "runs"))
    head = "# Relative paths start at the folder of this file. All options: docs/reference/options.md\n\n"
    if yaml:
        return f"{head}chain:\n{entries}\n\narg_train:\n{seed}\n"
    return f"{head}chain :\n{{\n{entries}\n}}\n\narg_train :\n{{\n{seed}\n}}\n"


def _proposal(key: str, value: str) -> str:
    """An option as a comment, with its meaning; valid in both syntaxes."""
    meaning = (ArgTrain.model_fields[key].description or "").replace("`", "")
    return f"  # {meaning}\n  # {key} : {value}"


def _quoted(text: str) -> str:
    """``text`` quoted in the ``.cfg`` syntax."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _quoted_in_yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
