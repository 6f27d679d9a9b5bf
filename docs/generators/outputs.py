"""The page about the files of the output tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from generators.markdown import MADE, code, table
from iota2 import layout
from iota2.chains import SURVEY
from iota2.chains.classification import CLASSIFICATION
from iota2.core.graph import Artifact, always
from iota2.core.grid import PART_ROWS

FOLDERS = {**layout.FOLDERS, **CLASSIFICATION.folders}
"""Folders of the output tree, with their sentences."""

HEAD = f"""{MADE}

# Outputs

Every file of the output folder, as `src/iota2/layout.py` declares it. What stands in braces takes these values:

| in braces | values |
| --- | --- |
| `tile` | the names in `chain.list_tile` |
| `part` | strips of {PART_ROWS} rows of a tile, numbered from 0: the unit of work of the classification |
| `sensor` | name of a sensor, such as `Sentinel2` |
| `region` | names of the regions that the tile meets; `1` when no region file is given |
| `seed` | runs, numbered from 0 to `arg_train.runs` − 1 |
| `region_base` | from the name of the region file, or `MyRegion` without one |
| `cloud` | `chain.cloud_threshold` |
| `samples` | `learning_samples_extension`; always `parquet` when SQLite cannot hold so many features |

A shapefile is several files of one stem (`.shp`, `.shx`, `.dbf`, `.prj`, `.cpg`). Files are written under another name
and renamed when they are whole, so a file under its final name is always complete. GeoTIFF files are compressed with
DEFLATE, and declare as nodata what means none: 0, and 65535 in probabilities.
"""

DIFFERENCES: tuple[tuple[str, str], ...] = (
    (
        "logs/classification/classification_*_model_*",
        "one pass labels a strip of a tile for all models: `logs/classification/classification_{tile}_part_{part}`. "
        "Logs by model are those of the step that joins the strips, in `logs/classificationMerge`",
    ),
    ("features/*/tmp/Sentinel2L3A_*", "the prefix is the name of the sensor: `Sentinel2_` for level 2A"),
    ("features/*/CloudThreshold_1.*", "`cloud_threshold` is 0 by default: `CloudThreshold_0.*`"),
    ("formattingVectors/*/", "no temporary folder: nothing temporary is left behind"),
)
"""Files of the tree that the tutorial of iota2 shows and this program does not write, and why."""

CHANGES = (
    ("`IOTA2_tasks_status.txt`", "a pickle", "text, one job a line"),
    (
        "`model/model_{region}_seed_{seed}.txt`",
        "the model",
        "a card to read; the model is the folder of the same name without suffix",
    ),
    (
        "`*.sqlite`",
        "tables for SpatiaLite",
        "plain SQLite: a table `output`, geometry as WKB in the column `GEOMETRY`",
    ),
    ("`config_model`", "empty", "holds the classes and the notes about the reference data"),
    (
        "`reference_data.shp`",
        "labels as consecutive integers",
        "checked polygons with their map code, home region and the side of each seed",
    ),
    ("`final/Confidence_Seed_{seed}.tif`", "0 to 100", "1 to 100 where there is a label; 0 means not classified"),
    (
        "all rasters of `final`",
        "no nodata, LZW",
        "nodata 0 (probabilities: 65535), DEFLATE, overviews, band names where there are several bands",
    ),
)


def outputs_page() -> str:
    """The folders with their files, then the differences from the tree that users know."""
    return "\n".join([HEAD, *_folders(), _differences()])


def _folders() -> Iterator[str]:
    """A section for each folder that holds files, the root first; those without files in one table at the end."""
    by_folder: dict[str, list[Artifact]] = {"": []}
    for artifact in layout.artifacts():
        by_folder.setdefault(_home(artifact), []).append(artifact)
    about = {"": "Top of the output folder."} | FOLDERS
    for folder in sorted(by_folder):
        rows = [_row(artifact) for artifact in by_folder[folder]]
        if not folder:
            rows.append(
                (code(layout.MARK), "the run", "Marks the folder as an output: only such a folder is ever emptied.")
            )
        title = f"`{folder}`" if folder else "Top folder"
        yield f"## {title}\n\n{about.get(folder, '')}\n\n{table(('file', 'made by', 'what it is'), rows)}"
    empty = [(code(folder), about[folder]) for folder in sorted(FOLDERS) if folder not in by_folder]
    yield f"## Folders without files of their own\n\n{table(('folder', 'what it is'), empty)}"


def _home(artifact: Artifact) -> str:
    """Folder of an artifact, as the builders name it."""
    folder = PurePosixPath(artifact.path).parent
    while folder != PurePosixPath(".") and str(folder) not in FOLDERS:
        folder = folder.parent
    return "" if folder == PurePosixPath(".") else str(folder)


def _row(artifact: Artifact) -> tuple[str, str, str]:
    makers = [step.name for step in CLASSIFICATION.steps if artifact in step.makes.values()]
    maker = (
        f"[{makers[0]}](steps.md#{makers[0].lower()})" if makers else "the survey" if artifact in SURVEY else "the run"
    )
    on_demand = "" if artifact.when is always or "with `" in artifact.about else " Only when asked for."
    return code(artifact.path), maker, artifact.about + on_demand


def _differences() -> str:
    missing = table(("in the tutorial's tree", "here"), [(code(path), why) for path, why in DIFFERENCES])
    changed = table(("file", "in iota2", "here"), CHANGES)
    return (
        "## Compared with the tree that iota2's tutorial shows\n\nEvery other file of that tree is written, under the "
        f"same name. These are not:\n\n{missing}\nThese have another content:\n\n{changed}"
    )
