"""The page about classifiers, from their registry."""

from __future__ import annotations

from collections.abc import Iterator

from generators.markdown import GENERATED
from generators.options import Row, options_table
from iota2.classifiers.registry import KINDS, Kind
from iota2.options import about

HEAD = f"""{GENERATED}

# Classifiers

`arg_train.classifier` selects the classifier, `arg_train.otb_classifier_options` sets its options, as a mapping
or as the text of legacy configurations:

```
otb_classifier_options: {{'classifier.rf.min': 5, 'classifier.rf.max': 25}}
otb_classifier_options: ' -classifier.rf.min 5 -classifier.rf.max 25 '
```

Options have the names of Orfeo ToolBox. Forests are trained by the program itself; the column
"parameter" is the corresponding parameter of `sklearn.ensemble.RandomForestClassifier`. An option that
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


def classifiers_page() -> str:
    """Every classifier, with its treatment of missing values and its options."""
    return "\n".join([HEAD, *(_section(kind) for kind in KINDS.values() if kind.selectable)])


def _section(kind: Kind) -> str:
    implementation = kind.implementation
    estimator = getattr(implementation, "estimator", None)
    trained = f" It becomes `{estimator}` of scikit-learn." if estimator else ""
    rows = [*_rows(kind)]
    table = options_table(rows, "parameter") if rows else ["It has no options."]
    return "\n".join([f"## {kind.name}\n\n{kind.about}{trained} {implementation.missing}\n", *table])


def _rows(kind: Kind) -> Iterator[Row]:
    becomes = getattr(kind.implementation, "becomes", {})
    for name, field in kind.implementation.Params.model_fields.items():
        parameter = becomes.get(name, f"`{name}`")
        yield field.alias or name, field, "–" if about(field).status == "no effect" else parameter
