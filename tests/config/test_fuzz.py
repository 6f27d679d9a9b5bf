"""Fuzzing of configuration and resources files: no defect, no hang, bounded memory."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from iota2.chains.load import load_config
from iota2.chains.lookup import BUILDERS
from iota2.cli import guarded
from iota2.config.sensors import enabled_sensors
from iota2.config.syntax.cfg import read_cfg
from iota2.core.builder import Chain
from iota2.core.graph import Resources
from iota2.runs.workers.execute import Retry
from iota2.runs.workers.resources import read_resources

CHAIN = Chain(BUILDERS)

SECONDS, KIBIBYTES = 5, 500 << 10
MUTANTS = 150
"""Number of examples of each test."""

OF_2020 = """# a run of last year
chain:
{
  outputPath:'out'
  remove_outputPath:True
  pyAppPath:'/opt/iota2'
  OTB_HOME:'/opt/otb'
  jobsPath:'jobs'
  listTile:'T31TCJ T31TDJ'
  S2Path:'images'
  S2_S2C_Path:'None'
  S2_output_path:None
  L8Path:None
  groundTruth:'truth.shp'
  dataField:'code'
  nomenclaturePath:'classes.txt'
  colorTable:'colours.txt'
  regionPath:None
  regionField:None
  firstStep:init
  lastStep:validation
  logFileLevel:"DEBUG"
  runs:2
  splitGroundTruth:True
  random_seed:1
  cloud_threshold:1
  spatialResolution:[10]
}
argTrain:
{
  classifier:'rf'
  options:' -classifier.rf.min 5 -classifier.rf.max 25 '
  sampleSelection:{'sampler':'random', 'strategy':'percent', 'strategy.percent.p':0.2}
  sampleAugmentation:{'activate':False, 'strategy':'jitter', 'target_models':['1', '2']}
  annualCrop:['11', '12']
}
argClassification: { classifMode:'separate' }
GlobChain:
{
  proj:'EPSG:2154'
  features:["NDVI","NDWI","Brightness"]
  autoDate:False
}
Landsat8: { nodata_Mask:False, nativeRes:30, arbo:"/*/*" }
Sentinel_2: { additionalFeatures:None, startDate:20180101, endDate:'20181231', temporalResolution:10 }
iota2FeatureExtraction: { copyinput:True, extractBands:False }
coregistration: { VHRPath:'None', dateSrc:'None 20170223', mode:2 }
Simplification: { umc1:10, umc2:3, statslist:{1:"rate", 2:"statsmaj"} }
"""

PRESENT = """chain :
  output_path : 'out'
  remove_output_path : True
  nomenclature_path : 'classes.txt'
  list_tile : 'T31TCJ'
  s2_path : 'images'
  user_feat_path : 'images'
  ground_truth : 'truth.shp'
  data_field : 'code'
  spatial_resolution : 10
  color_table : 'colours.txt'
  proj : 'EPSG:2154'
  user_sensors : { Mine : { path : 'images', description : 'classes.txt', keep_bands : [B2, B3] } }
  stac_items : { source : 'images', collections : { 'some-l2a' : 'Sentinel_2_S2C' }, bbox : [0, 43, 1.5, 44] }
  last_step: "validation"
arg_train :
  runs : 2
  otb_classifier_options : {'classifier.rf.min': 5,'classifier.rf.max': 25 }
  sample_selection : { strategy : all, per_model : [{ target_model : 1, strategy : total, 'strategy.total.v' : 5 }] }
  deep_learning_parameters : { epochs : 3, hyperparameters : { batch_size : [1000], learning_rate : [1e-5] } }
arg_classification :
  classif_mode : 'separate'
  enable_probability_map : True
scikit_models_parameters :
  model_type : None
  n_estimators : 100
builders :
  builders_class_name : ['I2Classification']
userFeat :
  arbo : '/*'
  patterns : 'ALT,ASP,SLP'
task_retry_limits :
    allowed_retry : 0
    maximum_ram : 60.0
    maximum_cpu : 12
"""

AWKWARD = (
    "None",
    "'None'",
    "True",
    "nan",
    "inf",
    "-1",
    "0",
    "1e999",
    "9" * 20,
    "9" * 5000,
    "''",
    "[]",
    "{}",
    "[[]]",
    "~nosuchuser",
    "'~nosuchuser/x'",
    "'/'",
    "'/etc/passwd'",
    "'/dev/zero'",
    "'..'",
    "x" * 300,
    "'a\0b'",
    "\0",
    "\x1b[31m",
    "\ufeff",
    "\r",
    "\u2028",
    "é",
    "漢",
    "\U0001f600",
    "{",
    "}",
    "[",
    "]",
    "'",
    '"',
    ":",
    ",",
    "#",
    "\\",
    "\n",
    "\t",
    "  ",
    "[" * 60,
    "{a:" * 60,
    "EPSG:999999",
    "20180230",
    "'*.tif'",
    "$x",
    "%YAML 9.9",
    "---",
    "...",
    "&a",
    "*a",
    "<<: *a",
    "!!python/object:x",
    "!!binary",
    '"\\UFFFFFFFF"',
    '"\\x00"',
    '"\\ud800"',
    "? ",
    "- ",
    "|",
    ">",
    "0x1F",
    "0o17",
    "1:30:00",
    "1_000",
    ".5",
    "+3",
    "2018-01-01",
)
KINDS = {
    "awkward": " {put}",
    "inserted": "{one} {put}",
    "any": "{put}",
    "left out": "",
    "cut": "",
    "doubled": "{one}{one}",
    "exchanged": "{other}",
    "repeated": "{one}\n" * 200,
}
"""Replacements of a part of a text."""
SUFFIXES = (".cfg", ".yaml")
PART = re.compile(r"""'[^'\n]*'|"[^"\n]*"|[\w./~-]+|[^\w\s]|\n""")
"""A quoted text, a word, a punctuation mark or a newline."""
VALUE = re.compile(r"""(?<=:)(?: *'[^'\n]*'| *"[^"\n]*"| *[\w./~-]+)""")


@st.composite
def mutants(draw: st.DrawFn, texts: tuple[str, ...]) -> str:
    """A text with a few parts removed, doubled, exchanged or replaced, or with the rest cut off."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 4))):
        found = list(draw(st.sampled_from((VALUE, PART))).finditer(text))
        if not found:
            return text
        one, other = (found[draw(st.integers(0, len(found) - 1))] for _ in range(2))
        kind = draw(st.sampled_from((*sorted(KINDS), *["awkward"] * 4)))
        put = ""
        if kind in ("awkward", "inserted"):
            put = draw(st.sampled_from(AWKWARD))
        elif kind == "any":
            put = draw(st.text(max_size=20))
        put = KINDS[kind].format(one=one[0], other=other[0], put=put)
        text = text[: one.start()] + put + ("" if kind == "cut" else text[one.end() :])
    return text


def in_yaml(text: str) -> str:
    """The same configuration as YAML."""
    sections = {s.name: {key: node.plain() for key, node in s.options.items()} for s in read_cfg(text, Path()).sections}
    return yaml.safe_dump(sections, allow_unicode=True)


CFG = (OF_2020, PRESENT)
YAML = tuple(map(in_yaml, CFG))
RESOURCES = (
    "iota2_chain : { ram : '6gb', walltime : '12:00:00' }\ntraining :\n{\n name:'training'\n nb_cpu:4\n ram:'8gb'\n}\n"
    "cmdClassifications:{nb_cpu:1, process_min:1, process_max:-1, nb_chunk:2}\nvectorSampler : { ram : 512mb }\n",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz")
    (path / "images").mkdir()
    for name in ("classes.txt", "colours.txt", "truth.shp"):
        (path / name).touch()
    return path


def looked_at(path: Path) -> None:
    """Load a configuration as each command does before it reads images."""
    enabled_sensors(load_config(path))


def given_resources(path: Path) -> None:
    read_resources(path, Resources(), Retry(2), CHAIN.numbers)


def survives(path: Path, content: bytes, look: Callable[[Path], object]) -> int:
    """Exit code for a file with this content, after checks of the code, the time and the memory."""
    path.write_bytes(content)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        code = guarded(lambda: look(path), debug=False)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert code in (0, 1, 2), content
    assert time.perf_counter() - start < SECONDS, content
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KIBIBYTES, content
    return code


FUZZ = settings(
    max_examples=MUTANTS,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_the_unchanged_texts_are_valid(folder: Path) -> None:
    for k, text in enumerate((*CFG, *YAML)):
        path = folder / f"whole.{'cfg' if k < len(CFG) else 'yaml'}"
        path.write_text(text, encoding="utf-8")
        load_config(path)
    assert survives(folder / "resources.cfg", RESOURCES[0].encode(), given_resources) == 0


@FUZZ
@given(text=mutants(CFG))
@example(text=OF_2020.replace("'images'", "~nosuchuser/x"))
@example(text=OF_2020.replace("'truth.shp'", "x" * 300))
@example(text=OF_2020.replace("'out'", "'a\0b'"))
def test_no_mutated_cfg_causes_a_defect(folder: Path, text: str) -> None:
    survives(folder / "run.cfg", text.encode("utf-8", "surrogatepass"), looked_at)


@FUZZ
@given(text=mutants(YAML))
def test_no_mutated_yaml_causes_a_defect(folder: Path, text: str) -> None:
    survives(folder / "run.yaml", text.encode("utf-8", "surrogatepass"), looked_at)


@FUZZ
@given(text=mutants(RESOURCES))
def test_no_mutated_resources_file_causes_a_defect(folder: Path, text: str) -> None:
    survives(folder / "resources.cfg", text.encode("utf-8", "surrogatepass"), given_resources)


@FUZZ
@given(
    text=st.sampled_from((*CFG, *YAML)),
    at=st.integers(0, 2000),
    put=st.binary(max_size=8),
    suffix=st.sampled_from(SUFFIXES),
)
def test_no_changed_bytes_cause_a_defect(folder: Path, text: str, at: int, put: bytes, suffix: str) -> None:
    content = text.encode()
    survives(folder / f"bytes{suffix}", content[:at] + put + content[at + len(put) :], looked_at)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.cfg", OF_2020.replace("'out'", "'~nosuchuser/x'").encode()),
        ("run.cfg", OF_2020.replace("'out'", f"'{'x' * 300}'").encode()),
        ("run.yaml", b'chain: {output_path: "\\UFFFFFFFF"}'),
        ("run.yaml", b"%YAML 1." + b"9" * 5000 + b"\n---\nchain: {}"),
        ("run.yml", b"chain: " + b"[" * 5000),
        ("run.cfg", b""),
        ("run.cfg", b"\xff\xfe\0\0"),
    ],
)
def test_the_command_reports_a_broken_file_without_traceback(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "iota2", "check", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert str(path) in done.stderr
