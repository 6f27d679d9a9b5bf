"""Every section of the configuration, and the configuration as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from iota2.config.options.chain import Chain
from iota2.config.options.fields import Section, default_of, is_mandatory
from iota2.config.options.others import (
    Builders,
    Coregistration,
    ExternalFeatures,
    Obia,
    PythonDataManaging,
    Simplification,
    Slurm,
    TaskRetryLimits,
)
from iota2.config.options.sensors import (
    FeatureExtraction,
    Interpolation,
    Landsat5Old,
    Landsat8,
    Landsat8Old,
    Landsat8Usgs,
    Sentinel1,
    Sentinel2,
    Sentinel2L3A,
    Sentinel2S2C,
    UserFeat,
)
from iota2.config.options.train import ArgClassification, ArgTrain, DimRed, MultiRunFusion, ScikitModels
from iota2.config.syntax.document import Places


@dataclass(frozen=True)
class Config:
    """A checked configuration: one attribute per section, all paths absolute, all values frozen."""

    chain: Chain
    arg_train: ArgTrain = field(default_factory=ArgTrain)
    arg_classification: ArgClassification = field(default_factory=ArgClassification)
    multi_run_fusion: MultiRunFusion = field(default_factory=MultiRunFusion)
    landsat5_old: Landsat5Old = field(default_factory=Landsat5Old)
    landsat8: Landsat8 = field(default_factory=Landsat8)
    landsat8_old: Landsat8Old = field(default_factory=Landsat8Old)
    landsat8_usgs: Landsat8Usgs = field(default_factory=Landsat8Usgs)
    sentinel_1: Sentinel1 = field(default_factory=Sentinel1)
    sentinel_2: Sentinel2 = field(default_factory=Sentinel2)
    sentinel_2_s2c: Sentinel2S2C = field(default_factory=Sentinel2S2C)
    sentinel_2_l3a: Sentinel2L3A = field(default_factory=Sentinel2L3A)
    user_feat: UserFeat = field(default_factory=UserFeat)
    sensors_data_interpolation: Interpolation = field(default_factory=Interpolation)
    iota2_feature_extraction: FeatureExtraction = field(default_factory=FeatureExtraction)
    dim_red: DimRed = field(default_factory=DimRed)
    scikit_models_parameters: ScikitModels = field(default_factory=ScikitModels)
    external_features: ExternalFeatures = field(default_factory=ExternalFeatures)
    python_data_managing: PythonDataManaging = field(default_factory=PythonDataManaging)
    builders: Builders = field(default_factory=Builders)
    simplification: Simplification = field(default_factory=Simplification)
    obia: Obia = field(default_factory=Obia)
    coregistration: Coregistration = field(default_factory=Coregistration)
    slurm: Slurm = field(default_factory=Slurm)
    task_retry_limits: TaskRetryLimits = field(default_factory=TaskRetryLimits)
    source: Path = Path()
    """The file that was read."""
    warnings: tuple[str, ...] = ()
    """What was accepted but should be known: moved keys, options without effect, old names."""
    places: Places = field(default_factory=Places, repr=False, compare=False)
    """Where each option stands in the file."""

    def section(self, name: str) -> Section:
        """The section written as ``name``, such as ``Sentinel_2``. Raises KeyError for an unknown one."""
        found = getattr(self, ATTRIBUTES[name])
        assert isinstance(found, Section)
        return found


SECTIONS: Mapping[str, type[Section]] = {
    cls.section_name: cls
    for cls in (
        Chain,
        ArgTrain,
        ArgClassification,
        MultiRunFusion,
        Landsat5Old,
        Landsat8,
        Landsat8Old,
        Landsat8Usgs,
        Sentinel1,
        Sentinel2,
        Sentinel2S2C,
        Sentinel2L3A,
        UserFeat,
        Interpolation,
        FeatureExtraction,
        DimRed,
        ScikitModels,
        ExternalFeatures,
        PythonDataManaging,
        Builders,
        Simplification,
        Obia,
        Coregistration,
        Slurm,
        TaskRetryLimits,
    )
}
"""Name of every section, as written in files, to its class."""

ATTRIBUTES: Mapping[str, str] = dict(zip(SECTIONS, (f.name for f in fields(Config)), strict=False))
"""Name of every section to the attribute of ``Config`` that holds it."""


class Setting(NamedTuple):
    """One option of a loaded configuration."""

    section: str
    key: str
    value: Any
    default: Any
    """Ellipsis for a mandatory option."""


def describe(config: Config) -> Iterator[Setting]:
    """Every option of ``config`` in the order of the documentation, with its value and its default."""
    for name, cls in SECTIONS.items():
        section = config.section(name)
        for key, info in cls.model_fields.items():
            default = ... if is_mandatory(info) else default_of(info)
            yield Setting(name, info.alias or key, getattr(section, key), default)
