"""All files of the output folder: path pattern, description and role.

Braces in a path are axes of the run (``tile``, ``part``, ``sensor``, ``raster``, ``region``, ``seed``, ``square``,
``area``) or constants of the run.
The reference page of the output tree is generated from this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from iota2.core.graph import Artifact, Need, first, optional

MARK = ".iota2"
"""Folder that identifies an output folder; it contains the lock, the records and the list of outputs."""
CONSTANTS = ("region_base", "cloud", "samples", "features_map", "outprefix")
"""Constants of a run in paths: name of the file of regions, cloud threshold, extension of files of samples, name of the
features map, prefix of files of polygons."""


class _Fusion(Protocol):
    @property
    def method(self) -> str: ...


class _Classification(Protocol):
    @property
    def classif_mode(self) -> str: ...
    @property
    def fusion(self) -> _Fusion: ...
    @property
    def enable_probability_map(self) -> bool: ...
    @property
    def generate_final_probability_map(self) -> bool: ...
    @property
    def enable_boundary_fusion(self) -> bool: ...
    @property
    def boundary_comparison_mode(self) -> bool: ...
    @property
    def smoothing(self) -> str: ...
    @property
    def uncertainty_layers(self) -> tuple[str, ...]: ...
    @property
    def minimum_mapping_unit(self) -> int | None: ...
    @property
    def writes_probabilities(self) -> bool: ...


class _Coregistration(Protocol):
    @property
    def vhr_path(self) -> Path | None: ...


class _ExternalFeatures(Protocol):
    @property
    def whole_tile_functions(self) -> tuple[str, ...]: ...


class _DimRed(Protocol):
    @property
    def dim_red(self) -> bool: ...


class _Learner(Protocol):
    @property
    def standardised(self) -> bool: ...
    @property
    def searches(self) -> bool: ...


class _Augmentation(Protocol):
    @property
    def activate(self) -> bool: ...


class _MultiRunFusion(Protocol):
    @property
    def merge_run(self) -> bool: ...
    @property
    def averages(self) -> bool: ...
    @property
    def reserved_share(self) -> float | None: ...
    @property
    def keep_runs_results(self) -> bool: ...


class _ArgTrain(Protocol):
    @property
    def split_ground_truth(self) -> bool: ...
    @property
    def split_field(self) -> str | None: ...
    @property
    def split_distance(self) -> float | None: ...
    @property
    def sample_management(self) -> Path | None: ...
    @property
    def sample_augmentation(self) -> _Augmentation: ...
    @property
    def sampling_validation(self) -> bool: ...
    @property
    def feature_importance(self) -> bool: ...
    @property
    def window(self) -> int | None: ...
    @property
    def enable_autocontext(self) -> bool: ...
    @property
    def dempster_shafer_sar_opt_fusion(self) -> bool: ...
    @property
    def fusion_masses(self) -> str: ...


class _FeaturesMap(Protocol):
    @property
    def output_format(self) -> str: ...


class _Obia(Protocol):
    @property
    def computed(self) -> bool: ...
    @property
    def full_learn_segment(self) -> bool: ...


class _Simplification(Protocol):
    @property
    def dozip(self) -> bool: ...
    @property
    def flatgeobuf(self) -> bool: ...
    @property
    def pmtiles(self) -> bool: ...


class _Chain(Protocol):
    @property
    def list_tile(self) -> tuple[str, ...]: ...
    @property
    def region_path(self) -> Path | None: ...
    @property
    def features_path(self) -> tuple[Path, ...]: ...


class OutputOptions(Protocol):
    """The part of the configuration that enables optional files."""

    @property
    def chain(self) -> _Chain: ...
    @property
    def arg_train(self) -> _ArgTrain: ...
    @property
    def arg_classification(self) -> _Classification: ...
    @property
    def coregistration(self) -> _Coregistration: ...
    @property
    def external_features(self) -> _ExternalFeatures: ...
    @property
    def dim_red(self) -> _DimRed: ...
    @property
    def learner(self) -> _Learner: ...
    @property
    def multi_run_fusion(self) -> _MultiRunFusion: ...
    @property
    def quantity(self) -> bool: ...
    @property
    def sensor_models(self) -> bool: ...
    @property
    def features_map(self) -> _FeaturesMap: ...
    @property
    def obia(self) -> _Obia: ...
    @property
    def simplification(self) -> _Simplification: ...


def with_quantity(config: OutputOptions) -> bool:
    """Whether the map contains a quantity instead of classes."""
    return config.quantity


def with_classes(config: OutputOptions) -> bool:
    """Whether the map contains classes."""
    return not config.quantity


def with_submodels(config: OutputOptions) -> bool:
    """Whether large regions have several models."""
    return config.arg_classification.classif_mode == "fusion"


def with_sar_fusion(config: OutputOptions) -> bool:
    """Whether radar and optical images have models of their own."""
    return config.arg_train.dempster_shafer_sar_opt_fusion


def with_masses(config: OutputOptions) -> bool:
    """Whether models are combined by their accuracy."""
    method = config.arg_classification.fusion.method
    if with_sar_fusion(config):
        return method != "mean"
    return with_submodels(config) and method == "dempstershafer"


def with_voted_confidence(config: OutputOptions) -> bool:
    """Whether the confidence of the map is the agreement of models that vote, and not a probability."""
    given = config.arg_classification
    voted = with_submodels(config) and not with_sar_fusion(config) and given.fusion.method != "mean"
    return voted and given.smoothing != "bayesian"


def with_learned_masses(config: OutputOptions) -> bool:
    """Whether the accuracy by which models are combined is that of learning polygons."""
    return with_masses(config) and config.arg_train.fusion_masses == "learning"


def with_validated_masses(config: OutputOptions) -> bool:
    """Whether the accuracy by which models are combined is that of validation polygons."""
    return with_masses(config) and config.arg_train.fusion_masses == "validation"


def with_validation_samples(config: OutputOptions) -> bool:
    """Whether features of validation pixels are computed."""
    return with_importance(config) or with_validated_masses(config)


def with_probabilities(config: OutputOptions) -> bool:
    """Whether probabilities of tiles are written, as a product, for later steps or for the fusion of runs."""
    return config.arg_classification.writes_probabilities or config.multi_run_fusion.averages


def with_fused_probabilities(config: OutputOptions) -> bool:
    """Whether probabilities of several models of a region are combined and written."""
    return with_submodels(config) and with_probabilities(config)


def with_sar_probabilities(config: OutputOptions) -> bool:
    """Whether probabilities of optical and radar models are combined and written."""
    return with_sar_fusion(config) and with_probabilities(config)


def with_blended_probabilities(config: OutputOptions) -> bool:
    """Whether probabilities near borders of regions are blended and written."""
    return with_boundary_fusion(config) and with_probabilities(config)


def with_final_probabilities(config: OutputOptions) -> bool:
    """Whether the mosaic of probability maps is made: for the user, or for the fusion of runs."""
    given = config.arg_classification
    return config.multi_run_fusion.averages or (given.enable_probability_map and given.generate_final_probability_map)


def with_smoothing(config: OutputOptions) -> bool:
    """Whether the map is smoothed."""
    return config.arg_classification.smoothing != "none"


def with_smoothed_probabilities(config: OutputOptions) -> bool:
    """Whether the mosaic of probability maps has smoothed probabilities."""
    return config.arg_classification.smoothing == "bayesian" and with_final_probabilities(config)


def with_entropy(config: OutputOptions) -> bool:
    """Whether the entropy of the probabilities is mapped."""
    return "entropy" in config.arg_classification.uncertainty_layers


def with_margin(config: OutputOptions) -> bool:
    """Whether the difference of the two highest probabilities is mapped."""
    return "margin" in config.arg_classification.uncertainty_layers


def with_likely_classes(config: OutputOptions) -> bool:
    """Whether the sets of likely classes are mapped."""
    return "likely_classes" in config.arg_classification.uncertainty_layers


def with_smoothing_or_uncertainty(config: OutputOptions) -> bool:
    """Whether tiles are smoothed, or have uncertainty layers."""
    return with_smoothing(config) or bool(config.arg_classification.uncertainty_layers)


def with_mapping_unit(config: OutputOptions) -> bool:
    """Whether there is also a map without small patches."""
    return config.arg_classification.minimum_mapping_unit is not None


def with_coregistration(config: OutputOptions) -> bool:
    """Whether co-registration with a reference image is enabled."""
    return config.coregistration.vhr_path is not None


def with_whole_tile_functions(config: OutputOptions) -> bool:
    """Whether functions of the user compute features from whole tiles."""
    return bool(config.external_features.whole_tile_functions)


def with_reduction(config: OutputOptions) -> bool:
    """Whether features are replaced by principal components."""
    return config.dim_red.dim_red


def with_standardisation(config: OutputOptions) -> bool:
    """Whether the classifier learns from standardised features."""
    return config.learner.standardised


def with_search(config: OutputOptions) -> bool:
    """Whether the training searches parameters of the classifier."""
    return config.learner.searches


def with_split_groups(config: OutputOptions) -> bool:
    """Whether groups of polygons stay on one side of the split."""
    given = config.arg_train
    return given.split_ground_truth and (given.split_field is not None or given.split_distance is not None)


def with_copies(config: OutputOptions) -> bool:
    """Whether samples are copied between models."""
    return config.arg_train.sample_management is not None


def with_augmentation(config: OutputOptions) -> bool:
    """Whether samples of small classes are added."""
    return config.arg_train.sample_augmentation.activate


def with_sampled_validation(config: OutputOptions) -> bool:
    """Whether validation pixels are selected like learning pixels."""
    return config.arg_train.sampling_validation


def with_importance(config: OutputOptions) -> bool:
    """Whether the importance of dates, bands and sensors is measured."""
    return config.arg_train.feature_importance


def with_boundary_fusion(config: OutputOptions) -> bool:
    """Whether models are blended near the borders of regions; a single region has no border."""
    return config.arg_classification.enable_boundary_fusion and config.chain.region_path is not None


def with_unblended_map(config: OutputOptions) -> bool:
    """Whether the map without boundary fusion is a product."""
    return with_boundary_fusion(config) and config.arg_classification.boundary_comparison_mode


def with_tmp_unblended_map(config: OutputOptions) -> bool:
    """Whether the map without boundary fusion is an intermediate file."""
    return with_boundary_fusion(config) and not config.arg_classification.boundary_comparison_mode


def with_borders(config: OutputOptions) -> bool:
    """Whether the map may have borders of regions or tiles."""
    return config.chain.region_path is not None or len(config.chain.list_tile) > 1


def with_map_stages(config: OutputOptions) -> bool:
    """Whether the map is compared with its earlier stages, or across borders."""
    return any((with_borders(config), with_sar_fusion(config), with_smoothing(config), with_mapping_unit(config)))


def with_merged_runs(config: OutputOptions) -> bool:
    """Whether the maps of all runs are fused."""
    return config.multi_run_fusion.merge_run


def with_merged_mapping_unit(config: OutputOptions) -> bool:
    """Whether there is also a fusion of runs without small patches."""
    return with_merged_runs(config) and with_mapping_unit(config)


def with_averaged_runs(config: OutputOptions) -> bool:
    """Whether the fusion of runs has a confidence: that of averaged probabilities."""
    return config.multi_run_fusion.averages


def with_reserved_polygons(config: OutputOptions) -> bool:
    """Whether polygons are reserved to validate the fusion of runs."""
    return config.multi_run_fusion.reserved_share is not None


def with_results_of_runs(config: OutputOptions) -> bool:
    """Whether the accuracy of the runs is reported beside that of their fusion."""
    return config.multi_run_fusion.merge_run and config.multi_run_fusion.keep_runs_results


def with_sensor_models(config: OutputOptions) -> bool:
    """Whether pixels without observations of some sensors are predicted by models of the others."""
    return config.sensor_models


def with_window(config: OutputOptions) -> bool:
    """Whether models learn from the classes in windows around pixels."""
    return config.arg_train.window is not None


def with_superpixels(config: OutputOptions) -> bool:
    """Whether models learn from the classes in superpixels."""
    return config.arg_train.enable_autocontext


def with_context(config: OutputOptions) -> bool:
    """Whether models learn from the context of pixels."""
    return with_window(config) or with_superpixels(config)


def with_computed_segments(config: OutputOptions) -> bool:
    """Whether segments are computed, not read from a file."""
    return config.obia.computed


def with_user_segments(config: OutputOptions) -> bool:
    """Whether segments are read from a file."""
    return not config.obia.computed


def with_labelled_parts(config: OutputOptions) -> bool:
    """Whether models learn from the labelled parts of segments, not from whole segments."""
    return not config.obia.full_learn_segment


def with_geotiff(config: OutputOptions) -> bool:
    """Whether the features map is a GeoTIFF file."""
    return config.features_map.output_format == "geotiff"


def with_zarr(config: OutputOptions) -> bool:
    """Whether the features map is a Zarr store."""
    return config.features_map.output_format == "zarr"


def with_feature_tiles(config: OutputOptions) -> bool:
    """Whether rasters are cut to tiles."""
    return bool(config.chain.features_path)


def with_shapefiles(config: OutputOptions) -> bool:
    """Whether polygons of a map are also written as shapefiles."""
    return config.simplification.dozip


def with_flatgeobuf(config: OutputOptions) -> bool:
    """Whether polygons of a map are also written as FlatGeobuf."""
    return config.simplification.flatgeobuf


def with_pmtiles(config: OutputOptions) -> bool:
    """Whether polygons of a map are also written as PMTiles."""
    return config.simplification.pmtiles


def artifacts() -> tuple[Artifact, ...]:
    """All kinds of files of the output folder."""
    return tuple(value for value in globals().values() if isinstance(value, Artifact))


def products() -> tuple[Artifact, ...]:
    """Products of a run, in the order of presentation."""
    return tuple(artifact for artifact in artifacts() if artifact.role == "product")


def product_of(name: str, others: Iterable[Artifact] = ()) -> Artifact | None:
    """The product with the path ``name``, relative to the output folder; None if it is no product.

    ``others``: products of builders of the user.
    """
    of_tile = name.partition("/")[0] not in named_folders()
    known = (one for one in (*products(), *others) if of_tile or not one.path.startswith("{"))
    return min((one for one in known if one.matches(name)), key=lambda one: one.path.count("{"), default=None)


def with_styles(products: Sequence[str], others: Iterable[str]) -> list[str]:
    """The paths of ``products``, and those of their QGIS styles among ``others``; relative to the output folder."""
    stems = {name.rpartition(".")[0] for name in products}
    return [*products, *(name for name in others if name.endswith(".qml") and name.removesuffix(".qml") in stems)]


@cache
def named_folders() -> frozenset[str]:
    """First folders of the paths of artifacts; other folders are those of tiles."""
    return frozenset(artifact.path.partition("/")[0] for artifact in artifacts() if "/" in artifact.path)


FOLDERS = {
    "features": "Dates, grid, masks and validity of each tile.",
    "final": "The products.",
    "final/TMP": "Products per tile, before the mosaic.",
    "logs": "One log per job, by step.",
}
"""Folders of every run, with descriptions; builders add further folders."""

# ---- written by the survey, at every start
SCENE = Artifact(
    "features/{tile}/tmp/scene.json",
    "Every product found for the tile, with its files and grids.",
)
SCAN_NOTES = Artifact(
    "features/{tile}/tmp/scan_notes.json",
    "Files and products of the tile that the scan ignored, with the reasons.",
    role="note",
)

LISTING = Artifact(
    "features/{tile}/tmp/listing.json",
    "Fingerprint of every image file of the tile; jobs that read a changed file run again.",
)

RASTER_SOURCE = Artifact(
    "features/rasters/{raster}.json",
    "Path, fingerprint, kind and no-data value of a raster to be cut to tiles.",
)

SUBMODELS = Artifact(
    "config_model/submodels.json",
    "Number of models of each region (with `classif_mode: fusion`).",
    when=with_submodels,
)

MAP_GRID = Artifact(
    "features/map_grid.json",
    "Grid in `chain.proj` that covers all tiles (with `output_format: zarr`).",
    when=with_zarr,
)

# ---- features tiler
FEATURE_TILE = Artifact(
    "{tile}/{raster}.tif",
    "A raster of `features_path` on the grid of the tile: all bands, with their type, descriptions and no-data value.",
    when=with_feature_tiles,
    role="product",
)

# ---- preparation
SHIFTS = Artifact(
    "features/{tile}/tmp/coregistration.json",
    "Displacement of each date in map units, corrected on reading (with `coregistration.vhr_path`).",
    when=with_coregistration,
)
IMAGES: Mapping[str, Artifact | Need] = {"scene": SCENE, "listing": LISTING, "shifts": optional(SHIFTS)}
"""Inputs of steps that read pixels."""
SHIFTS_TABLE = Artifact(
    "features/{tile}/coregistration.csv",
    "Displacement of each date from the reference image, with its accuracy (with `coregistration.vhr_path`).",
    when=with_coregistration,
)
RECIPE = Artifact("features/recipe.json", "Definition of the features: bands, dates, indices, order.")
WHOLE_TILE_FEATURES = Artifact(
    "features/{tile}/tmp/whole_tile_features.tif",
    "Features of Python functions that need the whole tile, one band each (with `external_features.whole_tiles`).",
    when=with_whole_tile_functions,
)
FEATURE_IMAGES: Mapping[str, Artifact | Need] = {**IMAGES, "whole_tiles": optional(WHOLE_TILE_FEATURES)}
"""Inputs of steps that compute features."""
REFERENCE_IMAGE = Artifact(
    "features/{tile}/tmp/{sensor}_{tile}_reference.tif",
    "Raster on the working grid of the tile; all values are 1.",
)
INPUT_DATES = Artifact(
    "features/{tile}/tmp/{sensor}_{tile}_input_dates.txt",
    "Dates found for the tile, one per line.",
)
INTERPOLATION_DATES = Artifact(
    "features/{tile}/tmp/{sensor}_{tile}_interpolation_dates.txt",
    "Interpolation dates, the same for all tiles.",
)
COMMON_MASK = Artifact(
    "features/{tile}/tmp/MaskCommunSL.tif",
    "1 where any sensor has an image on at least one date (every sensor with `missing_sensors: mask` or a context); 0 "
    "elsewhere.",
)
COMMON_MASK_VECTOR = Artifact("features/{tile}/tmp/MaskCommunSL.shp", "The common mask as polygons, in `proj`.")
VALIDITY = Artifact(
    "features/{tile}/nbView.tif",
    "Number of clear dates of each pixel: dates on which no mask applies (for sensors without masks: dates with data).",
)
CLEAR_DATES = Artifact(
    "features/{tile}/clear_dates.csv",
    "For each date: pixels of the tile inside the image, clear pixels, and their share.",
)
SENSOR_COMBINATIONS = Artifact(
    "features/{tile}/sensor_combinations.csv",
    "Pixels of the tile by combination of the sensors with a clear date (with several sensors).",
    when=with_sensor_models,
)
VALUE_NOTES = Artifact(
    "features/{tile}/value_notes.json",
    "Remarks on implausible pixel values: data type, range, sign, absent blocks, voids of layers.",
    role="note",
)
CLOUD_THRESHOLD = Artifact(
    "features/{tile}/CloudThreshold_{cloud}.shp",
    "Area with at least one and at least `cloud_threshold` clear dates, in `proj`; samples are selected in this area.",
)

SUPERPIXEL_FEATURES = Artifact(
    "features/{tile}/tmp/SLIC_{tile}_features.npz",
    "Features of some pixels of the tile, to which the components of superpixels are fitted (with "
    "`enable_autocontext`).",
    when=with_superpixels,
)
SUPERPIXEL_COMPONENTS = Artifact(
    "features/SLIC_components",
    "Principal components of the features of all tiles, from which superpixels are computed (with "
    "`enable_autocontext`).",
    when=with_superpixels,
)
SUPERPIXELS = Artifact(
    "features/{tile}/tmp/SLIC_{tile}.tif",
    "Superpixels of the tile: a number for each, 0 without clear date (with `enable_autocontext`).",
    when=with_superpixels,
)

# ---- sampling
ENVELOPE = Artifact("envelope/{tile}.shp", "The area of the map that the tile contributes, in `proj`.")
REGIONS = Artifact("{region_base}.shp", "The regions, in `proj`; without a region file, a single region.")
REFERENCE = Artifact(
    "reference_data.shp",
    "Cleaned reference polygons, in `proj`, with map code, region, and side of the split for each seed.",
)
REFERENCE_NOTES = Artifact(
    "config_model/reference_notes.json", "Repaired and excluded reference polygons.", role="note"
)
REFERENCE_LOSSES = Artifact(
    "config_model/reference_losses.json",
    "Losses of each class before the selection of pixels, by reason: polygons, and their area in pixels.",
)
SPLIT_GROUPS = Artifact(
    "config_model/split_groups.csv",
    "Number of the group of each reference polygon (with `split_field` or `split_distance`).",
    when=with_split_groups,
)
CLASSES = Artifact(
    "config_model/classes.json",
    "Classes: label, code in the map, name, colour. For a quantity: groups of values, by which samples are divided.",
)
CODES = Artifact(
    "config_model/codes.json",
    "Codes and labels of the classes. After a change of names or colours, the classification is not repeated.",
)
TARGET_VALUES = Artifact(
    "config_model/values.csv",
    "Value of the quantity of each reference polygon, by row of the file.",
    when=with_quantity,
)
FORMATTED = Artifact("formattingVectors/{tile}.shp", "Reference polygons cut by tile, region and validity.")
POLYGON_PIXELS = Artifact(
    "formattingVectors/{tile}_pixels.csv",
    "Number of pixels of the tile with their centre in each usable reference polygon.",
)
LEARN_POLYGONS = Artifact("dataAppVal/{tile}_seed_{seed}_learn.sqlite", "Learning polygons of the tile.")
VALIDATION_POLYGONS = Artifact("dataAppVal/{tile}_seed_{seed}_val.sqlite", "Validation polygons of the tile.")
RESERVED_POLYGONS = Artifact(
    "final/merge_final_classifications/{tile}_majvote.sqlite",
    "Polygons of the tile that validate the fusion of runs; no run uses them (with `merge_run`).",
    when=with_reserved_polygons,
)
REGION_SHAPE = Artifact(
    "shapeRegion/{region_base}_region_{region}_{tile}.shp",
    "Intersection of the region and the tile's envelope, in `proj`.",
)
REGION_RASTER = Artifact(
    "shapeRegion/{region_base}_region_{region}_{tile}.tif",
    "Intersection of the region and the tile's envelope, as raster on the grid of the tile: 1 inside, 0 outside.",
)
REGION_MASK = Artifact(
    "classif/MASK/MASK_region_{region}_{tile}.tif",
    "Area in which the region's model is applied: inside the region, with a margin of some pixels around the envelope.",
)
REGION_WEIGHTS = Artifact(
    "shapeRegion/{region_base}_weights_region_{region}_{tile}.tif",
    "Weight of the region's model × 1000 near borders of regions; 0 where it is not used (with "
    "`enable_boundary_fusion`).",
    when=with_boundary_fusion,
)
MODEL_POLYGONS = Artifact(
    "samplesSelection/samples_region_{region}{submodel}_seed_{seed}.shp",
    "Learning polygons of the model over all tiles.",
)
TILE_STATISTICS = Artifact(
    "samplesSelection/{tile}_region_{region}{submodel}_seed_{seed}_stats.xml",
    "Pixels per class and per polygon on one tile.",
)
MODEL_STATISTICS = Artifact(
    "samplesSelection/samples_region_{region}{submodel}_seed_{seed}.xml",
    "Pixels per class and per polygon over all tiles.",
)
RATES = Artifact(
    "samplesSelection/samples_region_{region}{submodel}_seed_{seed}_outrates.csv",
    "Requested, available and selected pixels of each class.",
)
SELECTION = Artifact(
    "samplesSelection/samples_region_{region}{submodel}_seed_{seed}_selection.sqlite",
    "Pixels selected for the model, as points in `proj`.",
)
TILE_SELECTION = Artifact(
    "samplesSelection/{tile}_samples_region_{region}{submodel}_seed_{seed}_selection.sqlite",
    "Selected pixels of one tile, with row and column on its grid.",
)
VALIDATION_SELECTION = Artifact(
    "samplesSelection/{tile}_samples_region_{region}{submodel}_seed_{seed}_val_selection.sqlite",
    "Selected validation pixels of one tile (with `sampling_validation`), with row and column on its grid.",
    when=with_sampled_validation,
)
TILE_SELECTION_MERGE = Artifact(
    "samplesSelection/{tile}_selection_merge.sqlite", "Selected pixels of one tile, of all models and seeds."
)
PART_FEATURES = Artifact(
    "learningSamples/parts/{tile}_part_{part}_region_{region}{submodel}_seed{seed}.npz",
    "Feature values of the selected pixels in one part of a tile.",
)
TILE_SAMPLES = Artifact(
    "learningSamples/{tile}_region_{region}{submodel}_seed{seed}_Samples_learn.{samples}",
    "Feature values of the selected pixels of one tile.",
)
MODEL_SAMPLES = Artifact(
    "learningSamples/Samples_region_{region}{submodel}_seed{seed}_learn.{samples}",
    "Feature values of all selected pixels of the model.",
)
COPIED_SAMPLES = Artifact(
    "learningSamples/Samples_region_{region}{submodel}_seed{seed}_learn_copied.{samples}",
    "Samples of the model and those copied from other models (with `sample_management`).",
    when=with_copies,
)
COPY_COUNTS = Artifact(
    "learningSamples/copies_seed{seed}.csv",
    "Copied samples of each rule (with `sample_management`).",
    when=with_copies,
)
AUGMENTED_SAMPLES = Artifact(
    "learningSamples/Samples_region_{region}{submodel}_seed{seed}_learn_augmented.{samples}",
    "Samples of the model, and the added ones with 1 in the column `augmented` (with `sample_augmentation`).",
    when=with_augmentation,
)
AUGMENTATION_COUNTS = Artifact(
    "learningSamples/augmentation_region_{region}{submodel}_seed{seed}.csv",
    "Samples of each class of the model before and after the augmentation (with `sample_augmentation`).",
    when=with_augmentation,
)
CLASS_STATISTICS = Artifact("learningSamples/class_statistics_seed{seed}_learn.csv", "Samples per class and region.")
LOSSES = Artifact(
    "samplesSelection/losses_seed_{seed}.csv",
    "Reference polygons of each class: drawn, usable, reserved for the fusion of runs, used for learning and "
    "validation, and lost by reason.",
)

LEARNED_SAMPLES = first(AUGMENTED_SAMPLES, COPIED_SAMPLES, MODEL_SAMPLES)
"""The samples from which a model learns, with all features: the last of these files that the run makes."""

# ---- segments
SLIC_FEATURES = Artifact(
    "segmentation/tmp/{tile}_features.npz",
    "Features of some pixels of the tile, to which the components of computed segments are fitted.",
    when=with_computed_segments,
)
SLIC_COMPONENTS = Artifact(
    "segmentation/tmp/components",
    "Principal components of the features of all tiles, from which segments are computed.",
    when=with_computed_segments,
)
SLIC = Artifact(
    "segmentation/tmp/{tile}_slic.tif",
    "Computed segments of the whole tile: a number for each, 0 without clear date.",
    when=with_computed_segments,
)
SEGMENTS = Artifact(
    "segmentation/{tile}.tif", "Segments on the grid of the tile: their numbers in the table of the tile; 0 for none."
)
SEGMENT_TABLE = Artifact(
    "segmentation/{tile}.npz",
    "Segments of the tile: identifier, pixels that count, pixels in the map, region, place of the first pixel, and "
    "whether it is classified.",
)
SEGMENT_NOTES = Artifact(
    "segmentation/{tile}_notes.json",
    "Remarks on the file of segments: overlaps, repeated identifiers, segments without pixel.",
    role="note",
)
SHARED_SEGMENTS = Artifact("segmentation/shared.npz", "Segments in several tiles, with their numbers in each.")
SEGMENT_RECIPE = Artifact("segmentation/recipe.json", "Definition of the features of segments.")
LEARNED_RECIPE = first(SEGMENT_RECIPE, RECIPE)
"""Definition of the features from which models learn."""
SEGMENT_SIZES = Artifact(
    "segmentation/sizes.json", "Number of segments, in all and by tile, and their median number of pixels."
)
LABELLED_PARTS = Artifact(
    "segmentation/{tile}_labelled.npz",
    "Parts of segments inside reference polygons: segment, polygon, pixels.",
)
LABELLED_RASTER = Artifact(
    "segmentation/{tile}_labelled.tif",
    "Parts of segments inside reference polygons on the grid of the tile: their row in the table, from 1; 0 for none.",
    when=with_labelled_parts,
)
PART_SEGMENTS = Artifact(
    "segmentation/parts/{tile}_part_{part}.parquet", "Features of the segments inside one part of a tile."
)
PART_OPEN_SEGMENTS = Artifact(
    "segmentation/parts/{tile}_part_{part}_open.npz",
    "Statistics of the pixels in one part of a tile, of segments that continue in another part or tile.",
)
TILE_SEGMENTS = Artifact("segmentation/{tile}_merged.parquet", "Features of the segments in several parts of the tile.")
TILE_OPEN_SEGMENTS = Artifact(
    "segmentation/{tile}_open.npz", "Statistics of the pixels in the tile, of segments that continue in another tile."
)
TILE_SHARED_SEGMENTS = Artifact(
    "segmentation/{tile}_shared.parquet", "Features of the segments of the tile that are in several tiles."
)
PART_LABELLED = Artifact(
    "segmentation/parts/{tile}_part_{part}_labelled.parquet",
    "Features of the labelled parts of segments inside one part of a tile.",
    when=with_labelled_parts,
)
PART_OPEN_LABELLED = Artifact(
    "segmentation/parts/{tile}_part_{part}_labelled_open.npz",
    "Statistics of the pixels in one part of a tile, of labelled parts of segments that continue in another part.",
    when=with_labelled_parts,
)
TILE_LABELLED = Artifact(
    "segmentation/{tile}_labelled.parquet",
    "Features of the labelled parts of segments that are in several parts of the tile.",
    when=with_labelled_parts,
)
SEGMENT_LABELS = Artifact(
    "segmentation/labels_seed_{seed}.csv",
    "Segments with labelled pixels: identifier, home tile and number there, position of the region, side of the "
    "split, class code in the map, labelled pixels and share of the class; or why they are not used.",
)
SEGMENT_LOSSES = Artifact(
    "segmentation/losses_{region}{submodel}_seed_{seed}.csv",
    "Samples of each class in a region, and those that are lost by the selection or without a clear date, with their "
    "learning pixels.",
)
SEGMENT_CLASSES = Artifact(
    "segmentation/{tile}_seed_{seed}.npz", "Class, confidence and probabilities of the segments of the tile."
)
LABEL_PREDICTIONS = Artifact(
    "segmentation/labelled_{region}{submodel}_seed_{seed}{source}.npz",
    "Predictions of the labelled segments of a region by models that have not learned from their labels.",
)
SEGMENT_OUTLINES = Artifact(
    "segmentation/{tile}_outlines.parquet",
    "Outlines in other tiles of the segments of the user's raster whose home is the tile.",
    when=with_user_segments,
)
SEGMENT_POLYGONS = Artifact(
    "segmentation/{tile}_polygons.parquet",
    "Polygons of the segments whose home is the tile, with their classes and features, as GeoParquet.",
)

# ---- dimension reduction
UNREDUCED_SAMPLES = Artifact(
    "dimRed/before_reduction/Samples_region_{region}{submodel}_seed{seed}{source}_learn.{samples}",
    "Samples of the model with their features before the reduction (with `dim_red`); a link to the file in "
    "`learningSamples`.",
    when=with_reduction,
)
REDUCED_SAMPLES = Artifact(
    "dimRed/reduced/Samples_region_{region}{submodel}_seed{seed}{source}_learn.{samples}",
    "Samples of the model with components instead of features, in the columns `reduced_0` … (with `dim_red`).",
    when=with_reduction,
)
REDUCTION = Artifact(
    "dimRed/reduced/Samples_region_{region}{submodel}_seed{seed}{source}_learn",
    "Reduction of the model (with `dim_red`): a folder with the components (`model_<g>`) of each group of features, "
    "numbered from 0, mean and standard deviation of its features (`stats_<g>.xml`), and all of these as arrays.",
    when=with_reduction,
)

# ---- learning
MODEL_CARD = Artifact(
    "model/model_{region}{submodel}_seed_{seed}{source}.txt", "Description of the model as text.", role="note"
)
MODEL = Artifact("model/model_{region}{submodel}_seed_{seed}{source}", "The model: a folder of plain arrays.")
STANDARDISATION = Artifact(
    "stats/Model_{region}{submodel}_seed_{seed}{source}.xml",
    "Mean and standard deviation of the features in the samples of the model (for classifiers with standardisation).",
    when=with_standardisation,
    role="note",
)
SEARCH = Artifact(
    "model/model_{region}{submodel}_seed_{seed}{source}_cross_val_param.cv",
    "Grid search: accuracy of every combination of parameters as text.",
    when=with_search,
    role="note",
)
SEARCH_SCORES = Artifact(
    "model/model_{region}{submodel}_seed_{seed}{source}_cross_val_param.json",
    "Grid search: accuracy of every combination of parameters in each fold.",
    when=with_search,
    role="note",
)

LEARNED_CONFUSION = Artifact(
    "dataAppVal/bymodels/model_{region}{submodel}_seed_{seed}{source}_learn.csv",
    "Confusion matrix of the model in learning samples, each predicted by a model of other polygons, from which its "
    "weight in Dempster-Shafer fusion follows.",
    when=with_learned_masses,
)
VALIDATED_CONFUSION = Artifact(
    "dataAppVal/bymodels/model_{region}{submodel}_seed_{seed}{source}_val.csv",
    "Confusion matrix of the model in validation pixels, from which its weight in Dempster-Shafer fusion follows (with "
    "`fusion_masses: validation`).",
    when=with_validated_masses,
)
CONTEXT_MODELS = Artifact(
    "model/context/models_{region}{submodel}_seed_{seed}{source}",
    "First models of the context (with `context`): one that learned from all samples, and one without the polygons of "
    "each fold.",
    when=with_window,
)
AUTOCONTEXT_MODELS = Artifact(
    "model/context/chain_{region}{submodel}_seed_{seed}{source}",
    "Models of auto-context before the last one, and the context of the samples (with `enable_autocontext`).",
    when=with_superpixels,
)
PART_CONTEXT = Artifact(
    "learningSamples/parts/{tile}_part_{part}_region_{region}{submodel}_seed{seed}{source}_context.npz",
    "Context of the selected pixels in one part of a tile: mean class probabilities around them (with `context`).",
    when=with_window,
)
PART_SUPERPIXELS = Artifact(
    "learningSamples/parts/{tile}_part_{part}_region_{region}{submodel}_seed{seed}_superpixels.npz",
    "Feature values of all pixels of the superpixels with selected pixels (with `enable_autocontext`).",
    when=with_superpixels,
)

# ---- classification
PART_LABELS = Artifact(
    "classif/tmpClassif/Classif_{tile}_part_{part}_model_{region}{submodel}_seed_{seed}{source}.tif",
    "Labels of one part.",
)
PART_CONFIDENCE = Artifact(
    "classif/tmpClassif/{tile}_part_{part}_model_{region}{submodel}_confidence_seed_{seed}{source}.tif",
    "Confidence of one part.",
)
PART_PROBABILITIES = Artifact(
    "classif/tmpClassif/PROBAMAP_{tile}_part_{part}_model_{region}{submodel}_seed_{seed}{source}.tif",
    "Class probabilities of one part.",
    when=with_probabilities,
)
LABELS = Artifact(
    "classif/Classif_{tile}_model_{region}{submodel}_seed_{seed}{source}.tif",
    "Labels of the model on the tile; 0 outside its area.",
)
CONFIDENCE = Artifact(
    "classif/{tile}_model_{region}{submodel}_confidence_seed_{seed}{source}.tif",
    "Confidence of the model on the tile, 0 to 1; 0 without label.",
)
PROBABILITIES = Artifact(
    "classif/PROBAMAP_{tile}_model_{region}{submodel}_seed_{seed}{source}.tif",
    "Class probabilities × 1000, one band for each code; 65535 without label (with `enable_probability_map`, Bayesian "
    "smoothing or `uncertainty_layers`).",
    when=with_probabilities,
)

# ---- fusion of models
PART_FUSED_LABELS = Artifact(
    "classif/tmpClassif/{tile}_part_{part}_FUSION_model_{region}_seed_{seed}.tif",
    "Labels of one part, from all models of the region (with `classif_mode: fusion`).",
    when=with_submodels,
)
PART_FUSED_CONFIDENCE = Artifact(
    "classif/tmpClassif/{tile}_part_{part}_FUSION_model_{region}_confidence_seed_{seed}.tif",
    "Confidence of one part, from all models of the region (with `classif_mode: fusion`).",
    when=with_submodels,
)
PART_FUSED_PROBABILITIES = Artifact(
    "classif/tmpClassif/PROBAMAP_{tile}_part_{part}_FUSION_model_{region}_seed_{seed}.tif",
    "Class probabilities of one part, from all models of the region (with `classif_mode: fusion`).",
    when=with_fused_probabilities,
)
FUSED_LABELS = Artifact(
    "classif/{tile}_FUSION_model_{region}_seed_{seed}.tif",
    "Labels of the region on the tile, from all its models (with `classif_mode: fusion`).",
    when=with_submodels,
)
FUSED_CONFIDENCE = Artifact(
    "classif/{tile}_FUSION_model_{region}_confidence_seed_{seed}.tif",
    "Confidence of the region on the tile, from all its models, 0 to 1 (with `classif_mode: fusion`).",
    when=with_submodels,
)
FUSED_PROBABILITIES = Artifact(
    "classif/PROBAMAP_{tile}_FUSION_model_{region}_seed_{seed}.tif",
    "Mean class probabilities × 1000 of all models of the region (with `classif_mode: fusion`).",
    when=with_fused_probabilities,
)
PART_DS_LABELS = Artifact(
    "classif/tmpClassif/Classif_{tile}_part_{part}_model_{region}_seed_{seed}_DS.tif",
    "Labels of one part, from optical and radar models (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
)
PART_DS_CONFIDENCE = Artifact(
    "classif/tmpClassif/{tile}_part_{part}_model_{region}_confidence_seed_{seed}_DS.tif",
    "Confidence of one part, from optical and radar models (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
)
PART_DS_PROBABILITIES = Artifact(
    "classif/tmpClassif/PROBAMAP_{tile}_part_{part}_model_{region}_seed_{seed}_DS.tif",
    "Class probabilities of one part, from optical and radar models (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_probabilities,
)
PART_DS_CHOICE = Artifact(
    "classif/tmpClassif/DSchoice_{tile}_part_{part}_model_{region}_seed_{seed}.tif",
    "Model that gave the label, in one part (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
)
DS_LABELS = Artifact(
    "classif/Classif_{tile}_model_{region}_seed_{seed}_DS.tif",
    "Labels of the region on the tile, from optical and radar models (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
)
DS_CONFIDENCE = Artifact(
    "classif/{tile}_model_{region}_confidence_seed_{seed}_DS.tif",
    "Confidence of the region on the tile, 0 to 1 (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
)
DS_PROBABILITIES = Artifact(
    "classif/PROBAMAP_{tile}_model_{region}_seed_{seed}_DS.tif",
    "Class probabilities × 1000 of the model that gave the label, or their mean (with "
    "`dempster_shafer_sar_opt_fusion`).",
    when=with_sar_probabilities,
)
DS_CHOICE = Artifact(
    "final/TMP/DSchoice_{tile}_model_{region}_seed_{seed}.tif",
    "Model that has the label: 0 none, 1 both, 2 radar, 3 optical, 4 neither (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
)
DS_CHOICE_STYLE = Artifact(
    "final/TMP/DSchoice_{tile}_model_{region}_seed_{seed}.qml",
    "QGIS style of the model that gave the label (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
    role="note",
)

PART_BLENDED_LABELS = Artifact(
    "classif/tmpClassif/{tile}_part_{part}_BLENDED_seed_{seed}.tif",
    "Labels of one part, blended near borders of regions (with `enable_boundary_fusion`).",
    when=with_boundary_fusion,
)
PART_BLENDED_CONFIDENCE = Artifact(
    "classif/tmpClassif/{tile}_part_{part}_BLENDED_confidence_seed_{seed}.tif",
    "Confidence of one part, blended near borders of regions (with `enable_boundary_fusion`).",
    when=with_boundary_fusion,
)
PART_BLENDED_PROBABILITIES = Artifact(
    "classif/tmpClassif/PROBAMAP_{tile}_part_{part}_BLENDED_seed_{seed}.tif",
    "Class probabilities of one part, blended near borders of regions (with `enable_boundary_fusion`).",
    when=with_blended_probabilities,
)
BLENDED_LABELS = Artifact(
    "classif/{tile}_BLENDED_seed_{seed}.tif",
    "Labels of the tile, blended near borders of regions (with `enable_boundary_fusion`).",
    when=with_boundary_fusion,
)
BLENDED_CONFIDENCE = Artifact(
    "classif/{tile}_BLENDED_confidence_seed_{seed}.tif",
    "Confidence of the tile, 0 to 1, blended near borders of regions (with `enable_boundary_fusion`).",
    when=with_boundary_fusion,
)
BLENDED_PROBABILITIES = Artifact(
    "classif/PROBAMAP_{tile}_BLENDED_seed_{seed}.tif",
    "Class probabilities × 1000 of the tile, blended near borders of regions (with `enable_boundary_fusion`).",
    when=with_blended_probabilities,
)
REGION_LABELS = first(FUSED_LABELS, DS_LABELS, LABELS)
"""Labels of each region on a tile, from all its models."""
REGION_CONFIDENCE = first(FUSED_CONFIDENCE, DS_CONFIDENCE, CONFIDENCE)
"""Confidence of each region on a tile, from all its models."""
REGION_PROBABILITIES = first(FUSED_PROBABILITIES, DS_PROBABILITIES, PROBABILITIES)
"""Class probabilities of each region on a tile, from all its models."""

# ---- smoothing
SMOOTHED_LABELS = Artifact(
    "classif/Smoothed_{tile}_seed_{seed}.tif",
    "Smoothed labels of all models on the tile (with `smoothing`).",
    when=with_smoothing,
)
SMOOTHED_CONFIDENCE = Artifact(
    "classif/Smoothed_{tile}_confidence_seed_{seed}.tif",
    "Confidence of the smoothed labels, 0 to 1 (with `smoothing`).",
    when=with_smoothing,
)
SMOOTHED_PROBABILITIES = Artifact(
    "classif/Smoothed_PROBAMAP_{tile}_seed_{seed}.tif",
    "Smoothed class probabilities × 1000, one band for each code; 65535 without label (with `smoothing: bayesian` and "
    "`enable_probability_map`).",
    when=with_smoothed_probabilities,
)
TILE_ENTROPY = Artifact(
    "final/TMP/{tile}_Entropy_seed_{seed}.tif",
    "Entropy on the tile, in % of its maximum; 255 without label (with `uncertainty_layers`).",
    when=with_entropy,
)
TILE_MARGIN = Artifact(
    "final/TMP/{tile}_Margin_seed_{seed}.tif",
    "Difference of the two highest probabilities on the tile, in %; 255 without label (with `uncertainty_layers`).",
    when=with_margin,
)
TILE_LIKELY_CLASSES = Artifact(
    "final/TMP/{tile}_LikelyClasses_seed_{seed}.tif",
    "Sets of likely classes on the tile, as bit masks; 0 without label (with `uncertainty_layers`).",
    when=with_likely_classes,
)
TILE_ENTROPY_STYLE = Artifact(
    "final/TMP/{tile}_Entropy_seed_{seed}.qml",
    "QGIS style of the entropy: a ramp from 0 to 100 (with `uncertainty_layers`).",
    when=with_entropy,
    role="note",
)
TILE_MARGIN_STYLE = Artifact(
    "final/TMP/{tile}_Margin_seed_{seed}.qml",
    "QGIS style of the margin: a ramp from 0 to 100 (with `uncertainty_layers`).",
    when=with_margin,
    role="note",
)
TILE_LIKELY_CLASSES_STYLE = Artifact(
    "final/TMP/{tile}_LikelyClasses_seed_{seed}.qml",
    "QGIS style of the likely classes: pixels with a single likely class in its colour (with `uncertainty_layers`).",
    when=with_likely_classes,
    role="note",
)

# ---- mosaic
TILE_LABELS = Artifact("final/TMP/{tile}_seed_{seed}.tif", "Labels of all models on the tile.")
TILE_CONFIDENCE = Artifact("final/TMP/{tile}_GlobalConfidence_seed_{seed}.tif", "Confidence on the tile, 0 to 100.")
TILE_VALIDITY = Artifact(
    "final/TMP/{tile}_Cloud.tif", "Number of clear dates on the tile; 0 where it is not classified."
)
TILE_LABELS_STYLE = Artifact(
    "final/TMP/{tile}_seed_{seed}.qml", "QGIS style of the labels: names and colours.", role="note"
)
TILE_CONFIDENCE_STYLE = Artifact(
    "final/TMP/{tile}_GlobalConfidence_seed_{seed}.qml",
    "QGIS style of the confidence: a ramp from 0 to 100.",
    role="note",
)
TILE_VALIDITY_STYLE = Artifact(
    "final/TMP/{tile}_Cloud.qml",
    "QGIS style of the number of clear dates: a ramp from 0 to the maximum of the map.",
    role="note",
)
MAP = Artifact(
    "final/Classif_Seed_{seed}.tif", "The land-cover map: class codes; 0 where not classified.", role="product"
)
COLOR_MAP = Artifact(
    "final/Classif_Seed_{seed}_ColorIndexed.tif",
    "The land-cover map with an embedded colour table.",
    role="product",
)
MAP_STYLE = Artifact("final/Classif_Seed_{seed}.qml", "QGIS style of the map: names and colours.", role="note")
COLOR_MAP_STYLE = Artifact(
    "final/Classif_Seed_{seed}_ColorIndexed.qml",
    "QGIS style of the coloured map: the classes that occur, with names.",
    role="note",
)
UNBLENDED_MAP = Artifact(
    "final/Classif_Seed_{seed}_no_boundary_fusion.tif",
    "The land-cover map without boundary fusion: each region with its own model (with `boundary_comparison_mode`).",
    when=with_unblended_map,
    role="product",
)
UNBLENDED_MAP_STYLE = Artifact(
    "final/Classif_Seed_{seed}_no_boundary_fusion.qml",
    "QGIS style of the map without boundary fusion: names and colours.",
    when=with_unblended_map,
    role="note",
)
TMP_UNBLENDED_MAP = Artifact(
    "final/TMP/Classif_Seed_{seed}_no_boundary_fusion.tif",
    "The land-cover map without boundary fusion: each region with its own model (with `enable_boundary_fusion`).",
    when=with_tmp_unblended_map,
)
TMP_UNBLENDED_MAP_STYLE = Artifact(
    "final/TMP/Classif_Seed_{seed}_no_boundary_fusion.qml",
    "QGIS style of the map without boundary fusion: names and colours (with `enable_boundary_fusion`).",
    when=with_tmp_unblended_map,
    role="note",
)
FINAL_CONFIDENCE = Artifact(
    "final/Confidence_Seed_{seed}.tif",
    "Confidence of the label in %, 1 to 100: its probability, calibrated if the model is, or the agreement of models "
    "that vote; 0 where not classified.",
    role="product",
)
CONFIDENCE_STYLE = Artifact(
    "final/Confidence_Seed_{seed}.qml", "QGIS style of the confidence: a ramp from 0 to 100.", role="note"
)
VALIDITY_STYLE = Artifact(
    "final/PixelsValidity.qml", "QGIS style of the number of clear dates: a ramp from 0 to the maximum.", role="note"
)
FINAL_VALIDITY = Artifact("final/PixelsValidity.tif", "Number of clear dates of each pixel of the map.", role="product")
FINAL_PROBABILITIES = Artifact(
    "final/ProbabilityMap_seed_{seed}.tif",
    "Class probabilities × 1000, one named band for each class; 65535 without label (with `enable_probability_map`, or "
    "with `merge_run_method: mean`).",
    when=with_final_probabilities,
    role="product",
)
PROBABILITIES_STYLE = Artifact(
    "final/ProbabilityMap_seed_{seed}.qml",
    "QGIS style of a band of the probability map: a ramp from 0 to 1000 (with `enable_probability_map`, or with "
    "`merge_run_method: mean`).",
    when=with_final_probabilities,
    role="note",
)
OPTICAL_MAP = Artifact(
    "final/TMP/Classif_Seed_{seed}_optical.tif",
    "The map of the optical models, for comparison (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
)
RADAR_MAP = Artifact(
    "final/TMP/Classif_Seed_{seed}_SAR.tif",
    "The map of the radar models, for comparison (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
)
OPTICAL_MAP_STYLE = Artifact(
    "final/TMP/Classif_Seed_{seed}_optical.qml",
    "QGIS style of the map of the optical models: names and colours (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
    role="note",
)
RADAR_MAP_STYLE = Artifact(
    "final/TMP/Classif_Seed_{seed}_SAR.qml",
    "QGIS style of the map of the radar models: names and colours (with `dempster_shafer_sar_opt_fusion`).",
    when=with_sar_fusion,
    role="note",
)
UNSMOOTHED_MAP = Artifact(
    "final/TMP/Classif_Seed_{seed}_unsmoothed.tif",
    "The map before smoothing, for comparison (with `smoothing`).",
    when=with_smoothing,
)
UNSMOOTHED_STYLE = Artifact(
    "final/TMP/Classif_Seed_{seed}_unsmoothed.qml",
    "QGIS style of the map before smoothing: names and colours (with `smoothing`).",
    when=with_smoothing,
    role="note",
)
ENTROPY = Artifact(
    "final/Entropy_Seed_{seed}.tif",
    "Entropy of the class probabilities, in % of its maximum; 255 without label (with `uncertainty_layers`).",
    when=with_entropy,
    role="product",
)
ENTROPY_STYLE = Artifact(
    "final/Entropy_Seed_{seed}.qml",
    "QGIS style of the entropy: a ramp from 0 to 100 (with `uncertainty_layers`).",
    when=with_entropy,
    role="note",
)
MARGIN = Artifact(
    "final/Margin_Seed_{seed}.tif",
    "Difference of the two highest probabilities, in %; 255 without label (with `uncertainty_layers`).",
    when=with_margin,
    role="product",
)
MARGIN_STYLE = Artifact(
    "final/Margin_Seed_{seed}.qml",
    "QGIS style of the margin: a ramp from 0 to 100 (with `uncertainty_layers`).",
    when=with_margin,
    role="note",
)
LIKELY_CLASSES = Artifact(
    "final/LikelyClasses_Seed_{seed}.tif",
    "Smallest set of classes with the probability `likely_classes_share`, as a bit mask; the description of the band "
    "has the class of each bit; 0 without label (with `uncertainty_layers`).",
    when=with_likely_classes,
    role="product",
)
LIKELY_CLASSES_STYLE = Artifact(
    "final/LikelyClasses_Seed_{seed}.qml",
    "QGIS style of the likely classes: pixels with a single likely class in its colour (with `uncertainty_layers`).",
    when=with_likely_classes,
    role="note",
)
REGULARISED_MAP = Artifact(
    "final/Classif_Seed_{seed}_regularised.tif",
    "The land-cover map without patches below `minimum_mapping_unit`, with an embedded colour table.",
    when=with_mapping_unit,
    role="product",
)
REGULARISED_STYLE = Artifact(
    "final/Classif_Seed_{seed}_regularised.qml",
    "QGIS style of the map without small patches: names and colours (with `minimum_mapping_unit`).",
    when=with_mapping_unit,
    role="note",
)

# ---- polygons of segments
SEGMENT_LAYER = Artifact(
    "final/vectors/segments_{tile}.gpkg",
    "Polygons of the segments whose home is the tile, in `proj`: class, confidence and as many features as a "
    "GeoPackage can contain.",
    role="product",
)
SEGMENT_LAYER_STYLE = Artifact(
    "final/vectors/segments_{tile}.qml",
    "QGIS style of the segments: names and colours of the classes of the first run.",
    role="note",
)
ALL_SEGMENTS = Artifact(
    "final/vectors/segments.parquet",
    "Polygons of the segments of all tiles, in `proj`, with class, confidence and all features, as GeoParquet: columns "
    "`<feature>_mean`, `_min`, `_max`, `_std`; the statistic `count` is the column `pixels`.",
    role="product",
)
DOUBTFUL_SEGMENTS = Artifact(
    "final/vectors/doubtful_segments_seed_{seed}.gpkg",
    "Labelled segments that models without their labels predict as another class, in `proj`: for inspection.",
    role="product",
)
DOUBTFUL_STYLE = Artifact(
    "final/vectors/doubtful_segments_seed_{seed}.qml",
    "QGIS style of the doubtful segments: names and colours of the predicted classes.",
    role="note",
)

# ---- features map
MAP_BANDS = Artifact(
    "features/map_bands.json", "Bands of the features map with their dates, its data type and its no-data value."
)
PART_MAP = Artifact("by_tiles/{tile}_part_{part}.tif", "Features of a strip of a tile, on the grid of the tile.")
TILE_MAP = Artifact(
    "by_tiles/{tile}.vrt", "Features of one tile, on its grid: a virtual raster (VRT) of the files of its strips."
)
FEATURES_MAP = Artifact(
    "final/{features_map}.tif",
    "The features of all tiles, with a band for each feature (with `output_format: geotiff`).",
    when=with_geotiff,
    role="product",
)
FEATURES_MAP_STYLE = Artifact(
    "final/{features_map}.qml",
    "QGIS style: natural colours of the middle date, or the first band (with `output_format: geotiff`).",
    when=with_geotiff,
    role="note",
)
MAP_STRIP = Artifact(
    "by_tiles/zarr/strip_{strip}",
    "Features of a strip of the map: a Zarr store of the whole map without the other strips (with "
    "`output_format: zarr`).",
    when=with_zarr,
)
FEATURES_STORE = Artifact(
    "final/{features_map}.zarr",
    "The features of all tiles by time, band, y and x: a Zarr store (with `output_format: zarr`).",
    when=with_zarr,
    role="product",
)
MOSAIC_SUMS = Artifact(
    "by_tiles/statistics.json",
    "Sums from which the statistics of the bands are computed (with `output_format: geotiff`).",
    when=with_geotiff,
)
STRIP_SUMS = Artifact(
    "by_tiles/zarr/strip_{strip}_statistics.json",
    "Sums of a strip of the map, from which the statistics of the bands are computed (with `output_format: zarr`).",
    when=with_zarr,
)
MAP_STATISTICS = Artifact(
    "final/{features_map}_statistics.json",
    "Minimum, maximum, mean, standard deviation and share of pixels with data of each band.",
    role="product",
)
FEATURES_MAP_PAGE = Artifact(
    "final/{features_map}.html",
    "Images and indices by date, and statistics of the features map, on one page.",
    role="product",
)

FEATURES = (FEATURES_MAP, FEATURES_STORE, MAP_STATISTICS, FEATURES_MAP_PAGE)
"""Products of features maps, which are not results of a classification."""

# ---- polygons of the map
MAP_SOURCE = Artifact(
    "final/simplification/tmp/source.json",
    "Rasters of the options of `simplification`, with their fingerprints; made by the survey at every start.",
)
MAP_SQUARES = Artifact(
    "final/simplification/tmp/squares.json",
    "Squares of the regularised map, as ranges of cells of 1024 pixels; made by the survey at every start.",
)
CLASSIF_REGUL = Artifact(
    "final/simplification/classif_regul.tif",
    "The map that becomes polygons: resampled, and without small patches.",
    role="product",
)
CLASSIF_REGUL_STYLE = Artifact(
    "final/simplification/classif_regul.qml", "QGIS style of this map: names and colours.", role="note"
)
CLASS_LEVELS = Artifact(
    "final/simplification/tmp/classes.json", "Classes of the polygons: code, name, alias, colour, higher levels."
)
SQUARE_COMPLETE = Artifact(
    "final/simplification/tiles/complete_{square}.parquet",
    "Polygons of the patches of a square that are complete in one cell of 1024 pixels.",
)
SQUARE_PIECES = Artifact(
    "final/simplification/tiles/pieces_{square}.parquet",
    "Pieces in each cell of a square of the patches that continue in other cells.",
)
SQUARE_SIDES = Artifact(
    "final/simplification/tiles/sides_{square}.npz", "Patches along the boundaries of the cells of a square."
)
SQUARE_HOMES = Artifact(
    "final/simplification/tiles/homes_{square}.npz", "First piece of the patch of each piece in a square."
)
SQUARE_FOREIGN = Artifact(
    "final/simplification/tiles/foreign_{square}.parquet",
    "Pieces in other squares of the patches whose first piece is in a square.",
)
SQUARE_POLYGONS = Artifact(
    "final/simplification/mosaic/polygons_{square}.parquet",
    "Whole polygons of the patches whose first piece is in a square, as GeoParquet.",
)
AREA_POLYGONS = Artifact(
    "final/simplification/tmp/polygons_{area}.parquet", "Polygons of an area with all columns, as GeoParquet."
)
AREA_LAYER = Artifact(
    "final/simplification/vectors/{outprefix}_{area}.gpkg",
    "Polygons of an area, as GeoPackage with a QGIS style: class, area, statistics of their pixels. `all` without "
    "`clipfile`.",
    role="product",
)
AREA_LAYER_STYLE = Artifact(
    "final/simplification/vectors/{outprefix}_{area}.qml",
    "QGIS style of these polygons: names and colours of the classes.",
    role="note",
)
AREA_SHAPEFILE = Artifact(
    "final/simplification/vectors/{outprefix}_{area}.zip",
    "The same as a shapefile in a ZIP archive (with `dozip`).",
    when=with_shapefiles,
    role="product",
)
AREA_FLATGEOBUF = Artifact(
    "final/simplification/vectors/{outprefix}_{area}.fgb",
    "The same as FlatGeobuf (with `flatgeobuf`).",
    when=with_flatgeobuf,
    role="product",
)
AREA_PMTILES = Artifact(
    "final/simplification/vectors/{outprefix}_{area}.pmtiles",
    "The same as PMTiles, for display in web maps (with `pmtiles`).",
    when=with_pmtiles,
    role="product",
)
ALL_POLYGONS = Artifact(
    "final/simplification/vectors/{outprefix}.parquet",
    "Polygons of all areas, as GeoParquet.",
    role="product",
)
POLYGON_CLASSES = Artifact(
    "final/simplification/vectors/{outprefix}_classes.csv",
    "Number and area in hectares of the polygons of each class in each area.",
    role="product",
)
POLYGON_PAGE = Artifact(
    "final/simplification/polygons.html",
    "Page of the polygons: their files, pictures, and number and area of the polygons of each class.",
    role="product",
)
MAP_POLYGONS = (
    CLASSIF_REGUL,
    AREA_LAYER,
    AREA_SHAPEFILE,
    AREA_FLATGEOBUF,
    AREA_PMTILES,
    ALL_POLYGONS,
    POLYGON_CLASSES,
    POLYGON_PAGE,
)
"""Products of the vectorisation, which are not results of a classification."""

# ---- validation
TILE_CONFUSION = Artifact("final/TMP/{tile}_seed_{seed}.csv", "Confusion matrix of the tile, in pixels.")
TILE_VALIDATION = Artifact(
    "final/TMP/{tile}_seed_{seed}_validation.csv",
    "Validation pixels of the tile by polygon, class in the map, and contact with the polygon's edge.",
)
TILE_CONFIDENCES = Artifact(
    "final/TMP/{tile}_seed_{seed}_confidence.csv",
    "Validation pixels of the tile by polygon, class in the map, and confidence.",
)
TILE_COMPARISON = Artifact(
    "final/TMP/{tile}_seed_{seed}_CompRef.tif",
    "Comparison with the reference data: validation 1 wrong, 2 correct; learning 3 wrong, 4 correct; 0 no reference.",
)
TILE_COMPARISON_STYLE = Artifact(
    "final/TMP/{tile}_seed_{seed}_CompRef.qml",
    "QGIS style of the comparison: meaning and colour of each value.",
    role="note",
)
TILE_VALIDATION_SAMPLES = Artifact(
    "dataAppVal/{tile}_region_{region}{submodel}_seed{seed}_Samples_val.{samples}",
    "Feature values of some validation pixels of the tile; `i2weight` is the number of pixels that each one represents "
    "(with `feature_importance` or `fusion_masses: validation`).",
    when=with_validation_samples,
)
MODEL_IMPORTANCE = Artifact(
    "final/TMP/importance_region_{region}{submodel}_seed_{seed}{source}.json",
    "Loss in overall accuracy of the model without each date, band and sensor (with `feature_importance`).",
    when=with_importance,
)
CONFUSION = Artifact("final/TMP/Classif_Seed_{seed}.csv", "Confusion matrix of the map, in pixels.")
VALIDATION = Artifact(
    "final/TMP/Validation_Seed_{seed}.csv",
    "Validation pixels by polygon, and distance in metres to the nearest learning polygon of the same class.",
)
CONFIDENCES = Artifact(
    "final/TMP/Confidence_Seed_{seed}.csv", "Validation pixels by polygon, class in the map, and confidence."
)
MAP_STAGES = Artifact(
    "final/TMP/map_stages_seed_{seed}.json",
    "Change of class across borders of regions and tiles, accuracy, and changed pixels of the stages of the map.",
    when=with_map_stages,
)
CLASSIFICATION_RESULTS = Artifact(
    "final/TMP/ClassificationResults_seed_{seed}.txt", "Accuracy measures of each class, as text."
)
DIFFERENCE = Artifact(
    "final/diff_seed_{seed}.tif",
    "Comparison with the reference data: validation 1 wrong, 2 correct; learning 3 wrong, 4 correct; 0 no reference.",
    role="product",
)
DIFFERENCE_STYLE = Artifact(
    "final/diff_seed_{seed}.qml", "QGIS style of the comparison: meaning and colour of each value.", role="note"
)
RELIABILITY_FIGURE = Artifact(
    "final/Reliability_Seed_{seed}.png",
    "Figure of the reliability of the confidence: share of correct validation pixels by confidence.",
    role="product",
)
# ---- maps of a quantity
PART_VALUES = Artifact(
    "classif/tmpClassif/{tile}_part_{part}_values_seed_{seed}.tif",
    "Values of a strip of the tile, and widths of their intervals.",
    when=with_quantity,
)
TILE_VALUES = Artifact(
    "final/TMP/{tile}_values_seed_{seed}.tif",
    "Values on the tile, and widths of their intervals.",
    when=with_quantity,
)
TILE_VALUES_STYLE = Artifact(
    "final/TMP/{tile}_values_seed_{seed}.qml",
    "QGIS style of the values on the tile: that of the map.",
    when=with_quantity,
    role="note",
)
VALUE_MAP = Artifact(
    "final/Regression_Seed_{seed}.tif",
    "The map of the quantity; NaN where there is no value.",
    when=with_quantity,
    role="product",
)
VALUE_MAP_STYLE = Artifact(
    "final/Regression_Seed_{seed}.qml",
    "QGIS style of the map of the quantity: a ramp over most of its values.",
    when=with_quantity,
    role="note",
)
WIDTH_MAP = Artifact(
    "final/Uncertainty_Seed_{seed}.tif",
    "Width of the 90 % interval of each value, in its unit; NaN where there is no value or no interval.",
    when=with_quantity,
    role="product",
)
WIDTH_MAP_STYLE = Artifact(
    "final/Uncertainty_Seed_{seed}.qml",
    "QGIS style of the widths of intervals: a ramp over most of them.",
    when=with_quantity,
    role="note",
)
TILE_VALUE_PIXELS = Artifact(
    "final/TMP/{tile}_values_seed_{seed}.npz",
    "Validation pixels of the tile: polygon, region, value in the map, width of its interval.",
    when=with_quantity,
)
RESIDUALS = Artifact(
    "final/Residuals_Seed_{seed}.gpkg",
    "Validation polygons with the true value, the mean of the map, and the residual: map minus truth.",
    when=with_quantity,
    role="product",
)
RESIDUALS_STYLE = Artifact(
    "final/Residuals_Seed_{seed}.qml",
    "QGIS style of the validation polygons by residual.",
    when=with_quantity,
    role="note",
)
SCATTER_FIGURE = Artifact(
    "final/Scatter_Seed_{seed}.png",
    "Values of the map against true values of validation pixels, with their density.",
    when=with_quantity,
    role="product",
)

# ---- validation of classes
CONFUSION_FIGURE = Artifact(
    "final/Confusion_Matrix_Classif_Seed_{seed}.png", "Figure of the confusion matrix.", role="product"
)
SEGMENT_PICTURE = Artifact(
    "final/Segments.png",
    "Borders of segments over an image, in an excerpt of the tile with most segments.",
    role="product",
)
SEGMENT_PRODUCTS = (SEGMENT_PICTURE, SEGMENT_LAYER, ALL_SEGMENTS, DOUBTFUL_SEGMENTS)
"""Products that only classifications of segments have."""
SEGMENT_CAPTION = Artifact("final/TMP/Segments.txt", "Caption of the picture of segments.", role="note")
SEGMENT_VALIDATION = Artifact(
    "final/TMP/Validation_segments_seed_{seed}.csv",
    "Validation segments by polygon and predicted class, their labelled pixels, and distance in metres to the nearest "
    "learning polygon of the same class.",
)
RESULTS = Artifact(
    "final/RESULTS.txt",
    "The accuracy report, with mean and confidence interval over the runs; with `merge_run`, that of their fusion.",
    role="product",
)
METRICS = Artifact("final/metrics.json", "Accuracy measures in machine-readable form.", role="product")
IMPORTANCE = Artifact(
    "final/feature_importance.json",
    "Loss in overall accuracy without each date, band and sensor (with `feature_importance`).",
    when=with_importance,
    role="product",
)
CLASS_TABLE = Artifact(
    "final/Classif_table.csv",
    "User label, code in the map and colour of each class.",
    when=with_classes,
    role="product",
)
REPORT = Artifact("final/report.html", "Map, confidence, validity and accuracy on one page.", role="product")
QUANTITY_PRODUCTS = (VALUE_MAP, WIDTH_MAP, FINAL_VALIDITY, RESIDUALS, SCATTER_FIGURE, RESULTS, METRICS)
"""Products of a map of a quantity, apart from the report."""

# ---- fusion of runs
MERGED_MAP = Artifact(
    "final/Classifications_fusion.tif",
    "Fusion of the maps of all runs: class codes, label of undecided pixels; 0 where not classified (with "
    "`merge_run`).",
    when=with_merged_runs,
    role="product",
)
MERGED_COLOR_MAP = Artifact(
    "final/Classifications_fusion_ColorIndexed.tif",
    "Fusion of the maps of all runs with an embedded colour table (with `merge_run`).",
    when=with_merged_runs,
    role="product",
)
MERGED_CONFIDENCE = Artifact(
    "final/Confidence_fusion.tif",
    "Mean probability of the label over all runs in %, 1 to 100; 0 where not classified (with `merge_run_method` "
    "`mean`).",
    when=with_averaged_runs,
    role="product",
)
MERGED_MAP_STYLE = Artifact(
    "final/Classifications_fusion.qml",
    "QGIS style of the fusion of runs: names and colours (with `merge_run`).",
    when=with_merged_runs,
    role="note",
)
MERGED_COLOR_MAP_STYLE = Artifact(
    "final/Classifications_fusion_ColorIndexed.qml",
    "QGIS style of the coloured fusion of runs: names and colours (with `merge_run`).",
    when=with_merged_runs,
    role="note",
)
MERGED_CONFIDENCE_STYLE = Artifact(
    "final/Confidence_fusion.qml",
    "QGIS style of the confidence of the fusion: a ramp from 0 to 100 (with `merge_run_method` `mean`).",
    when=with_averaged_runs,
    role="note",
)
REGULARISED_MERGED_MAP = Artifact(
    "final/Classifications_fusion_regularised.tif",
    "Fusion of the maps of all runs without patches below `minimum_mapping_unit`, with an embedded colour table (with "
    "`merge_run`).",
    when=with_merged_mapping_unit,
    role="product",
)
REGULARISED_MERGED_STYLE = Artifact(
    "final/Classifications_fusion_regularised.qml",
    "QGIS style of the fusion of runs without small patches: names and colours (with `merge_run` and "
    "`minimum_mapping_unit`).",
    when=with_merged_mapping_unit,
    role="note",
)
TILE_MERGED_VALIDATION = Artifact(
    "final/TMP/{tile}_fusion_validation.csv",
    "Pixels of the tile that validate the fusion of runs, by polygon and label in the fusion (with `merge_run`).",
    when=with_merged_runs,
)
TILE_RUN_VALIDATION = Artifact(
    "final/TMP/{tile}_seed_{seed}_fusion_validation.csv",
    "The same pixels by polygon and class in the map of a run (with `merge_run`).",
    when=with_merged_runs,
)
MERGED_VALIDATION = Artifact(
    "final/TMP/Validation_fusion.csv",
    "Pixels that validate the fusion of runs, by polygon, and distance in metres to the nearest learning polygon of "
    "the same class of any run (with `merge_run`).",
    when=with_merged_runs,
)
RUN_VALIDATION = Artifact(
    "final/TMP/Validation_fusion_seed_{seed}.csv",
    "The same pixels by polygon and class in the map of a run (with `merge_run`).",
    when=with_merged_runs,
)
MERGED_CONFUSION = Artifact(
    "final/TMP/Classifications_fusion.csv",
    "Confusion matrix of the fusion of runs, in pixels; undecided pixels count as not classified (with `merge_run`).",
    when=with_merged_runs,
)
MERGED_CONFUSION_FIGURE = Artifact(
    "final/fusionConfusion.png",
    "Figure of the confusion matrix of the fusion of runs (with `merge_run`).",
    when=with_merged_runs,
    role="product",
)
RUN_RESULTS = Artifact(
    "final/RESULTS_seeds.txt",
    "The accuracy report of the runs (with `merge_run` and `keep_runs_results`).",
    when=with_results_of_runs,
    role="product",
)

# ---- written by the run itself
STATUS = Artifact("IOTA2_tasks_status.txt", "State of every job of the last run, as text.", role="note")
REASONS = Artifact(
    f"{MARK}/reasons.txt", "Reason why each job of the last run was executed or up to date.", role="note"
)
LOGS_ZIP = Artifact(
    "logs.zip",
    "Diagnostics for a support request after a failed run: logs, states, reasons, configuration and versions.",
    role="note",
)
RECORDS = Artifact(f"{MARK}/records.jsonl", "Inputs and outputs of each job, by digests.", role="note")
PARAMETERS = Artifact(
    f"{MARK}/parameters.json", "Parameters of steps by digest, to identify changed options.", role="note"
)
LAST_RUN = Artifact(f"{MARK}/last_run.json", "State of the last run, and position of its records.", role="note")
OUTPUTS = Artifact(f"{MARK}/outputs.txt", "Paths of all outputs of the runs in this folder.", role="note")
DAMAGED = Artifact(
    f"{MARK}/damaged.json", "Products whose damage was found on reading (with `skip_damaged_products`).", role="note"
)
INPUTS = Artifact(
    f"{MARK}/inputs.json", "Size, modification time and fingerprint of every image file of the runs.", role="note"
)
LOCK = Artifact(f"{MARK}/lock", "Host and process of the current run.", role="note")
LOG_OUT = Artifact("logs/<Step>/<task>.out", "Messages and duration of the job.", role="note")
UNDER_WAY = Artifact(
    "logs/under_way/<Step>-<digest>.json",
    "Heartbeat of a long job: memory, worker and start; kept if its worker died.",
    role="note",
)
LOG_WORKER = Artifact("logs/workers/worker-<job>.log", "Output of a worker on SLURM or PBS.", role="note")
LOG_ERR = Artifact("logs/<Step>/<task>.err", "Errors of the job; empty after success.", role="note")
SITE = Artifact(
    "logs/html/index.html", "The run report: progress and results of each job; needs no server.", role="note"
)
SITE_JOBS = Artifact("logs/html/tasks_status_1.html", "The job graph; a click opens the page of a job.", role="note")
SITE_TIMELINE = Artifact("logs/html/timeline.html", "Jobs of each worker over time.", role="note")
SITE_INPUTS = Artifact(
    "logs/html/input_files_content.html", "Available products by sensor and tile, with a calendar.", role="note"
)
SITE_PRODUCTS = Artifact(
    "logs/html/s2_path_content.html",
    "All products in `s2_path` with their share of clear pixels; similar pages for other sensors.",
    role="note",
)
SITE_OUTPUTS = Artifact(
    "logs/html/output_path_content.html", "The output tree with a description of each file.", role="note"
)
SITE_RESULTS = Artifact(
    "logs/html/results.html",
    "Links to the pages of results, such as `final/report.html`, or the reason why they do not exist.",
    role="note",
)
SITE_SETTINGS = Artifact(
    "logs/html/configuration_file.html", "All options: value, default, and value in the previous run.", role="note"
)
SITE_ENVIRONMENT = Artifact(
    "logs/html/environment_info.html",
    "Software versions and machine; environment variables are not included.",
    role="note",
)
SITE_JOB = Artifact("logs/html/jobs/<Step>-<digest>.html", "Log, duration, memory and reason of one job.", role="note")
GRAPH = Artifact("logs/tasks_status_1.svg", "Figure of the job graph.", role="note")
SETTINGS = Artifact(
    f"{MARK}/configuration.json", "Options of the last run, for comparison with the next run.", role="note"
)
