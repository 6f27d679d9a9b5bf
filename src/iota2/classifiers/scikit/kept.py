"""Estimators of scikit-learn stored by skops, with an explicit list of permitted types and the same bytes each time.

skops stores an object as a tree of types with their attributes, and arrays as ``.npy`` files. Loading creates the
objects of that tree, so the types in a file decide what loading can do. Before skops reads a file, every node of its
tree must be of a permitted type: no functions, no methods, and only estimators whose prediction does not hand indices
from the file to compiled code.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from iota2.classifiers.base import ModelError
from iota2.core.files import require_regular
from iota2.core.words import json_text
from iota2.errors import remedy_of

DATE = (1980, 1, 1, 0, 0, 0)
"""Date of all members of a file."""
SCHEMA = "schema.json"

ESTIMATORS = (
    "sklearn.decomposition.FactorAnalysis",
    "sklearn.decomposition.KernelPCA",
    "sklearn.gaussian_process.GaussianProcessClassifier",
    "sklearn.gaussian_process.GaussianProcessRegressor",
    "sklearn.impute.SimpleImputer",
    "sklearn.kernel_approximation.AdditiveChi2Sampler",
    "sklearn.kernel_approximation.PolynomialCountSketch",
    "sklearn.kernel_approximation.SkewedChi2Sampler",
    "sklearn.naive_bayes.BernoulliNB",
    "sklearn.naive_bayes.CategoricalNB",
    "sklearn.naive_bayes.ComplementNB",
    "sklearn.naive_bayes.MultinomialNB",
    "sklearn.preprocessing.KBinsDiscretizer",
    "sklearn.preprocessing.PolynomialFeatures",
    "sklearn.preprocessing.PowerTransformer",
    "sklearn.preprocessing.QuantileTransformer",
)
"""Classifiers, regressors and transformers that may be stored."""
COMPANIONS = (
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.CompoundKernel",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.DotProduct",
    "sklearn.gaussian_process.kernels.ExpSineSquared",
    "sklearn.gaussian_process.kernels.Exponentiation",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.RationalQuadratic",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.multiclass.OneVsOneClassifier",
    "sklearn.multiclass.OneVsRestClassifier",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.preprocessing.KernelCenterer",
    "sklearn.preprocessing.LabelBinarizer",
    "sklearn.preprocessing.LabelEncoder",
    "sklearn.preprocessing.OneHotEncoder",
    "sklearn.preprocessing.StandardScaler",
)
"""Types of objects inside these."""
_PLAIN = {
    "DictNode": {"builtins.dict"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "JsonNode": {"builtins.str"},
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "DTypeNode": {"numpy.dtype"},
}
"""Types of values by the name of skops for their node."""
_KEY_TYPES = {f"builtins.{name}" for name in ("str", "int", "float", "bool")}
"""Types of keys of dictionaries."""


def write_estimator(estimator: Any, path: Path) -> None:
    """Write a fitted estimator; the same estimator gives the same bytes. ``ModelError`` for types not permitted."""
    from skops.io import dumps  # noqa: PLC0415
    from skops.io.exceptions import UnsupportedTypeException  # noqa: PLC0415

    title = type(estimator).__name__
    try:
        content = _normalised(dumps(estimator))
        _check_types(_schema(content))
    except (UnsupportedTypeException, ValueError) as err:
        raise ModelError(f"{title} cannot be stored without pickle: {err}. Use another classifier.") from err
    path.write_bytes(content)


def read_estimator(path: Path) -> Any:
    """The estimator of a file of ``write_estimator``; ``ModelError`` if it is missing, damaged or not permitted."""
    try:
        require_regular(path)
        content = path.read_bytes()
        _check_types(_schema(content))
    except FileNotFoundError as err:
        raise ModelError(f"{path}: missing, so the model is incomplete. Train it again.") from err
    except OSError as err:
        raise ModelError(f"{path}: cannot be read: {err.strerror or err}. {remedy_of(err)}.") from err
    except Exception as err:  # readers raise exceptions of many types for a damaged archive
        raise ModelError(f"{path}: damaged ({err}). Copy the model again or train it again.") from err
    from skops.io import loads  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other versions of scikit-learn: checked by the caller
            return loads(content, trusted=sorted(_permitted() | {"numpy.dtype"}))
    except Exception as err:
        raise ModelError(f"{path}: damaged ({err}). Copy the model again or train it again.") from err


@cache
def _permitted() -> frozenset[str]:
    """Full names of the permitted types, as in files: of the module that defines them."""
    return frozenset(f"{kind.__module__}.{kind.__qualname__}" for kind in map(_imported, ESTIMATORS + COMPANIONS))


@cache
def estimator_types() -> frozenset[type]:
    """Estimators that may be stored."""
    return frozenset(map(_imported, ESTIMATORS))


def _imported(path: str) -> type:
    module, _, name = path.rpartition(".")
    found: type = getattr(import_module(module), name)
    return found


def _check_types(schema: Mapping[str, Any]) -> None:
    """``ValueError`` if a node of the tree has a type that is not permitted."""
    for node in _nodes(schema):
        name, loader = f"{node.get('__module__')}.{node.get('__class__')}", node.get("__loader__")
        if loader == "ObjectNode":
            permitted = name in _permitted()
        elif loader == "NdArrayNode":
            permitted = name == "numpy.ndarray" or _is_scalar_type(name)
        elif loader == "TypeNode":
            permitted = name in _KEY_TYPES or _is_scalar_type(name)
        else:
            permitted = isinstance(loader, str) and name in _PLAIN.get(loader, ())
        if not permitted:
            raise ValueError(f"objects of type {name} are not permitted in models")


def _is_scalar_type(name: str) -> bool:
    module, _, kind = name.rpartition(".")
    found = getattr(np, kind, None) if module == "numpy" else None
    return isinstance(found, type) and issubclass(found, np.generic)


def _nodes(value: Any) -> Iterator[Any]:
    """All nodes of a tree: objects with a loader, a type or an identifier."""
    if isinstance(value, dict):
        if value.keys() & {"__loader__", "__class__", "__module__", "__id__", "__reduce__"}:
            yield value
        for member in value.values():
            yield from _nodes(member)
    elif isinstance(value, list):
        for member in value:
            yield from _nodes(member)


def _schema(content: bytes) -> Any:
    """The tree of a file; ``ValueError`` for compressed content, which could unpack to any size."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("compressed content")
        return json.loads(archive.read(SCHEMA))


def _normalised(content: bytes) -> bytes:
    """The file with numbers in the order of the tree instead of memory addresses, and fixed dates."""
    schema = _schema(content)
    numbers: dict[Any, int] = {}
    files: dict[str, str] = {}
    for count, node in enumerate(_nodes(schema)):
        if "__id__" in node:
            # The identity of texts and numbers varies between runs, and nothing depends on it.
            key = ("json", count) if node.get("__loader__") == "JsonNode" else node["__id__"]
            node["__id__"] = numbers.setdefault(key, len(numbers))
        if isinstance(node.get("file"), str):
            suffix = Path(node["file"]).suffix
            node["file"] = files.setdefault(node["file"], f"{len(files)}{suffix}")
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(result, "w") as target:
        target.writestr(zipfile.ZipInfo(SCHEMA, DATE), json_text(schema, indent=1))
        for old, new in files.items():
            target.writestr(zipfile.ZipInfo(new, DATE), source.read(old))
    return result.getvalue()
