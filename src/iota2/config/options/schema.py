"""All sections of the configuration, and the configuration as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from iota2.config.enabled import EnabledSensors, resolve
from iota2.config.learner import Learner, learner_of
from iota2.config.options.chain import Chain
from iota2.config.options.fields import Section
from iota2.config.options.maps import ArgClassification, MultiRunFusion
from iota2.config.options.others import (
    Builders,
    Coregistration,
    ExternalFeatures,
    FeaturesMap,
    Obia,
    PythonDataManaging,
    Simplification,
    Slurm,
    TaskRetryLimits,
)
from iota2.config.options.sensors import SENSOR_SECTIONS, FeatureExtraction, Interpolation, UserFeat
from iota2.config.options.train import ArgTrain, DimRed, ScikitModels
from iota2.config.syntax.document import Places
from iota2.core.target import Quantity
from iota2.options import default_of, is_mandatory


@dataclass(frozen=True)
class Config:
    """A checked configuration: one attribute for each section, absolute paths, immutable values.

    ``config.chain.list_tile`` is the option ``list_tile`` of the section ``chain``.
    """

    chain: Chain
    arg_train: ArgTrain = field(default_factory=ArgTrain)
    arg_classification: ArgClassification = field(default_factory=ArgClassification)
    multi_run_fusion: MultiRunFusion = field(default_factory=MultiRunFusion)
    sensors: Mapping[str, Section] = field(
        default_factory=lambda: {name: kind() for name, kind in SENSOR_SECTIONS.items()}
    )
    """Sections of the built-in sensors, by name."""
    user_feat: UserFeat = field(default_factory=UserFeat)
    sensors_data_interpolation: Interpolation = field(default_factory=Interpolation)
    iota2_feature_extraction: FeatureExtraction = field(default_factory=FeatureExtraction)
    dim_red: DimRed = field(default_factory=DimRed)
    scikit_models_parameters: ScikitModels = field(default_factory=ScikitModels)
    external_features: ExternalFeatures = field(default_factory=ExternalFeatures)
    python_data_managing: PythonDataManaging = field(default_factory=PythonDataManaging)
    features_map: FeaturesMap = field(default_factory=FeaturesMap)
    builders: Builders = field(default_factory=Builders)
    simplification: Simplification = field(default_factory=Simplification)
    obia: Obia = field(default_factory=Obia)
    coregistration: Coregistration = field(default_factory=Coregistration)
    slurm: Slurm = field(default_factory=Slurm)
    task_retry_limits: TaskRetryLimits = field(default_factory=TaskRetryLimits)
    quantity: bool = False
    """Whether the builders map a quantity instead of classes."""
    vectorised: bool = False
    """Whether the builders make polygons of the map."""
    source: Path = Path()
    """The configuration file."""
    warnings: tuple[str, ...] = ()
    """Warnings on accepted options: moved keys, options without effect, legacy names."""
    places: Places = field(default_factory=Places, repr=False, compare=False)
    """Location of each option in the file."""

    @property
    def target_quantity(self) -> Quantity | None:
        """The quantity that the run maps, of unknown unit; None for classes."""
        return Quantity(self.chain.data_field, "") if self.quantity else None

    def __repr__(self) -> str:
        return f"Config({str(self.source)!r})"

    @cached_property
    def enabled(self) -> EnabledSensors:
        """The enabled sensors, resolved on first access and cached."""
        chain, series, extraction = self.chain, self.sensors_data_interpolation, self.iota2_feature_extraction
        return resolve(chain, self.sensors, self.user_feat, series, extraction, external=self.external_features)

    @cached_property
    def learner(self) -> Learner:
        """The classifier or regressor with its parameters, resolved on first access; ``ConfigError`` for invalid
        options."""
        return learner_of(self.arg_train, self.scikit_models_parameters, quantity=self.quantity)

    @property
    def sensor_models(self) -> bool:
        """Whether pixels without observations of some sensors are predicted by models of the others."""
        if self.arg_classification.missing_sensors == "mask" or self.chain.allow_missing_sensor:
            return False
        if self.arg_train.context_halo:
            return False  # there is no context without the features of all sensors
        return len([one for one in self.enabled.sensors if not one.spec.static]) > 1

    def section(self, name: str) -> Section:
        """The section ``name``, such as ``Sentinel_2``. Raises KeyError for an unknown section."""
        found = self.sensors[name] if name in SENSOR_SECTIONS else getattr(self, ATTRIBUTES[name])
        assert isinstance(found, Section)
        return found


def _kinds() -> Iterator[tuple[str, type[Section]]]:
    """Pairs of ``Config`` attribute and section class, in the order of the attributes."""
    for name, kind in get_type_hints(Config).items():
        if name == "sensors":
            yield from ((name, each) for each in SENSOR_SECTIONS.values())
        elif isinstance(kind, type) and issubclass(kind, Section):
            yield name, kind


SECTIONS: Mapping[str, type[Section]] = {kind.section_name: kind for _, kind in _kinds()}
"""Section class by name in configuration files."""

ATTRIBUTES: Mapping[str, str] = {kind.section_name: name for name, kind in _kinds()}
"""Attribute of ``Config`` by section name; ``sensors`` for every built-in sensor."""


class Setting(NamedTuple):
    """One option of a loaded configuration."""

    section: str
    key: str
    value: Any
    default: Any
    """The default; Ellipsis for a mandatory option."""


def describe(config: Config) -> Iterator[Setting]:
    """Every option of ``config`` with value and default, in the order of the documentation."""
    for name, cls in SECTIONS.items():
        section = config.section(name)
        for key, info in cls.model_fields.items():
            default = ... if is_mandatory(info) else default_of(info)
            yield Setting(name, info.alias or key, getattr(section, key), default)
