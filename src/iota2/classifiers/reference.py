"""Documentation page about classifiers, generated from the registry."""

from __future__ import annotations

from math import inf

from iota2.classifiers.options import Option
from iota2.classifiers.registry import KINDS, Kind

_HEAD = """\
# Classifiers

<!-- Written by the program from its registry of classifiers; edit the registry, not this page. -->

`arg_train.classifier` selects the classifier, `arg_train.otb_classifier_options` sets its options, as a mapping
or as the text of legacy configurations:

```
otb_classifier_options: {'classifier.rf.min': 5, 'classifier.rf.max': 25}
otb_classifier_options: ' -classifier.rf.min 5 -classifier.rf.max 25 '
```

Options have the names of Orfeo ToolBox. Forests are trained by scikit-learn; the column
"parameter" is the parameter of `sklearn.ensemble.RandomForestClassifier` that an option sets. An option that
is not set has the default shown here, independent of other options; a different default of the toolbox is
added in parentheses. Unknown options and values outside the limits stop the run before it starts.
Options without effect are accepted, with a warning.

Differences from the forests of the toolbox:

- Votes are soft: a tree gives the class shares of the leaf, and the forest their mean. The confidence of a
  pixel is the mean share of its label; the toolbox counts the trees that voted for it.
- Of classes with exactly equal probability the smallest code is chosen.
- Each tree learns from samples drawn with replacement, and splits by the Gini impurity.
- The result depends on the samples and on the seed, never on the number of threads.
- A single class (its label everywhere, confidence 1) and a single sample are sufficient.

With `chain.allow_missing_sensor`, features of a sensor without clear observations of a pixel have the missing value
−10000. The description of each classifier explains its treatment. Samples must have the same gaps as the map: if a
sensor is missing in an area without samples, the model has no training data for this case.
"""


def reference_page() -> str:
    """The page in Markdown."""
    return "\n".join([_HEAD, *(_section(kind) for kind in KINDS.values())])


def _section(kind: Kind) -> str:
    rows = "\n".join(_row(option) for option in kind.implementation.Params.options())
    return (
        f"## {kind.name}\n\n{kind.about} {kind.implementation.missing}\n\n"
        f"| option | default | limits | parameter | meaning |\n|---|---|---|---|---|\n{rows}\n"
    )


def _row(option: Option) -> str:
    origin = "" if option.traits.toolbox_default is None else f" (toolbox: {option.traits.toolbox_default})"
    low, high = option.limits
    limits = f"≥ {low}" if high == inf else f"{low} … {high}"
    name = f"`{option.parameter_name}`" if option.traits.effect else "–"
    about = option.about if option.traits.effect else f"No effect: {option.about}"
    return f"| `{option.name}` | {option.default}{origin} | {limits} | {name} | {about} |"
