"""The page on the files of the output folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from generators.markdown import GENERATED, code, table
from iota2 import layout
from iota2.chains import BUILDERS, MAP_SURVEY, SURVEY
from iota2.core.graph import Artifact, always
from iota2.core.grid import PART_ROWS

FOLDERS = layout.FOLDERS | {name: about for builder in reversed(BUILDERS) for name, about in builder.folders.items()}
"""Folders of the output folder, each with a sentence."""

HEAD = f"""{GENERATED}

# Outputs

Every file of the output folder, as declared in `src/iota2/layout.py`. Names in braces have these values:

| in braces | values |
| --- | --- |
| `tile` | the names in `chain.list_tile`; without it, those of all tiles of the grid of the features tiler |
| `part` | strips of {PART_ROWS} rows of a tile, from 0: the unit of work of extraction, classification, features maps |
| `strip` | strips of {PART_ROWS} rows of the map of all tiles, numbered from 0; those without a tile are absent |
| `sensor` | name of a sensor, such as `Sentinel2` |
| `raster` | names of the rasters in `chain.features_path`, without extension |
| `region` | names of the regions that overlap the tile; `1` without a region file |
| `submodel` | empty; `f1`, `f2` … for the models of a region that is split (`classif_mode: fusion`) |
| `source` | empty; `_SAR` for models of radar images (`dempster_shafer_sar_opt_fusion`) |
| `seed` | runs, numbered from 0 to `arg_train.runs` − 1 |
| `square` | squares of the regularised map, as row and column of its cells: `0_0` |
| `area` | values of `simplification.clipfield`; `all` without areas |
| `region_base` | from the name of the region file, or `MyRegion` without one |
| `cloud` | `chain.cloud_threshold` |
| `features_map` | `external_features.output_name` |
| `outprefix` | `simplification.outprefix` |
| `samples` | `learning_samples_extension`; always `parquet` if there are more features than SQLite supports |

A shapefile consists of several files with one stem (`.shp`, `.shx`, `.dbf`, `.prj`, `.cpg`). Files are written under a
temporary name and renamed when complete, so a file under its final name is always complete. GeoTIFF files are
compressed with DEFLATE, and declare a nodata value: 0, or 65535 for probabilities; rasters cut to tiles keep their own.
"""

DIFFERENCES: tuple[tuple[str, str], ...] = (
    (
        "logs/samplesExtraction/extraction_T31TCJ.*",
        "one job computes the features of a strip of a tile: `logs/samplesExtraction/extraction_{tile}_part_{part}`. "
        "Logs by tile and model are those of the step that assembles the strips, in `logs/samplesExtractionMerge`",
    ),
    (
        "logs/classification/classification_*_model_*",
        "one job classifies a strip of a tile with all models: "
        "`logs/classification/classification_{tile}_part_{part}`. Logs by model are those of the step that assembles "
        "the strips, in `logs/classificationMerge`",
    ),
    ("features/*/tmp/Sentinel2L3A_*", "the prefix is the name of the sensor: `Sentinel2_` for level 2A"),
    ("features/*/CloudThreshold_1.*", "`cloud_threshold` is 0 by default: `CloudThreshold_0.*`"),
    ("formattingVectors/*/", "temporary folder, not needed"),
)
"""Outputs of the original iota2 that this program does not write: pattern of the path, and explanation."""

CHANGES = (
    ("`IOTA2_tasks_status.txt`", "a pickle", "text, one job per line"),
    (
        "`model/model_{region}_seed_{seed}.txt`",
        "the model",
        "a text file that describes the model; the model is the folder of the same name without suffix",
    ),
    (
        "`*.sqlite`",
        "tables for SpatiaLite",
        "plain SQLite: a table `output`, geometry as WKB in the column `GEOMETRY`",
    ),
    (
        "`learningSamples/Samples_region_{region}_seed{seed}_learn.{samples}`",
        "with `dim_red`, components",
        "always features; samples with components are in `dimRed/reduced`",
    ),
    (
        "`dimRed/reduced/Samples_region_{region}_seed{seed}_learn_model_<g>`, `…_stats_<g>.xml`",
        "models of the toolbox, and statistics",
        "`dimRed/reduced/Samples_region_{region}_seed{seed}_learn/model_<g>` and `stats_<g>.xml`: text files that "
        "describe the components and statistics of a group",
    ),
    ("`config_model`", "empty", "contains the classes and the notes about the reference data"),
    (
        "`reference_data.shp`",
        "labels as consecutive integers",
        "checked polygons with their map code, home region and the side of each seed",
    ),
    ("`final/Confidence_Seed_{seed}.tif`", "0 to 100", "1 to 100 for classified pixels; 0 means not classified"),
    (
        "all rasters of `final`",
        "no nodata, LZW",
        "nodata 0 (probabilities: 65535), DEFLATE, overviews, band names where there are several bands",
    ),
)


def outputs_page() -> str:
    """The folders with their files, then the differences from the original iota2."""
    return "\n".join([HEAD, *_folders(), _differences()])


def _folders() -> Iterator[str]:
    """A section for each folder that contains files, the root first; those without files in one table at the end."""
    by_folder: dict[str, list[Artifact]] = {"": []}
    for artifact in layout.artifacts():
        by_folder.setdefault(_folder_of(artifact), []).append(artifact)
    about = {"": "Files directly in the output folder."} | FOLDERS
    for folder in sorted(by_folder):
        rows = [_row(artifact) for artifact in by_folder[folder]]
        if not folder:
            rows.append(
                (
                    code(layout.MARK),
                    "the run",
                    "Identifies an output folder of iota2: only such a folder is ever emptied.",
                )
            )
        title = f"`{folder}`" if folder else "Top folder"
        yield f"## {title}\n\n{about.get(folder, '')}\n\n{table(('file', 'made by', 'content'), rows)}"
    empty = [(code(folder), about[folder]) for folder in sorted(FOLDERS) if folder not in by_folder]
    yield f"## Other folders\n\n{table(('folder', 'content'), empty)}"


def _folder_of(artifact: Artifact) -> str:
    """The nearest folder of an artifact that has a sentence in ``FOLDERS``; empty for the top folder."""
    folder = PurePosixPath(artifact.path).parent
    while folder != PurePosixPath(".") and str(folder) not in FOLDERS:
        folder = folder.parent
    return "" if folder == PurePosixPath(".") else str(folder)


def _row(artifact: Artifact) -> tuple[str, str, str]:
    makers = [step.name for builder in BUILDERS for step in builder.steps if artifact in step.makes.values()]
    by_survey = artifact in (*SURVEY, *MAP_SURVEY)
    maker = f"[{makers[0]}](steps.md#{makers[0].lower()})" if makers else "the survey" if by_survey else "the run"
    on_demand = "" if artifact.when is always or "with `" in artifact.about else " Optional."
    return code(artifact.path), maker, artifact.about + on_demand


def _differences() -> str:
    missing = table(("file of the original iota2", "here"), [(code(path), why) for path, why in DIFFERENCES])
    changed = table(("file", "original iota2", "here"), CHANGES)
    return (
        "## Differences from the original iota2\n\nAll output files in the tutorial of the original iota2 are written "
        f"under the same names, except these:\n\n{missing}\nThese files have different content:\n\n{changed}"
    )
