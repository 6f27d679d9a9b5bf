"""The two syntaxes of configuration files: equal values, and syntax errors with positions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.config.syntax.cfg import read_cfg
from iota2.config.syntax.document import MAX_ENTRIES, MAX_FILE_BYTES, Document, read_text
from iota2.config.syntax.yaml_reader import read_yaml
from iota2.errors import ConfigError

SOURCE = Path("run.cfg")


def plain(document: Document) -> dict[str, Any]:
    return {s.name: {k: node.plain() for k, node in s.options.items()} for s in document.sections}


def cfg(text: str) -> dict[str, Any]:
    return plain(read_cfg(text, SOURCE))


def problems(text: str, read: Any = read_cfg) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, SOURCE)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("init", "init"),
        ("'init'", "init"),
        ('"a # b"', "a # b"),
        ("'it\\'s'", "it's"),
        ("/a/b-c.shp", "/a/b-c.shp"),
        ("7", 7),
        ("-7", -7),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1e-3", 0.001),
        ("1.", 1.0),
        ("T31TCJ", "T31TCJ"),
        ("True", True),
        ("False", False),
        ("None", None),
        ("'None'", "None"),
        ("'7'", "7"),
        ("[]", []),
        ("[1, two, 'three']", [1, "two", "three"]),
        ("[1,\n  2, # two\n  3\n]", [1, 2, 3]),
        ("{}", {}),
        (
            "{'strategy.percent.p' : 0.5, strategy:percent}",
            {"strategy.percent.p": 0.5, "strategy": "percent"},
        ),
        ("{a.b : 1\n c : [{d : {e : 2}}]}", {"a.b": 1, "c": [{"d": {"e": 2}}]}),
        ("{1:'rate',2:'statsmaj',}", {"1": "rate", "2": "statsmaj"}),
        ("\n   'on the next line'", "on the next line"),
        ("# why\n   {a : 1}", {"a": 1}),
    ],
)
def test_values_of_all_types_are_read(written: str, value: object) -> None:
    found = cfg(f"chain : {{ first : 1\n key : {written}\n last:2 }}")
    assert found == {"chain": {"first": 1, "key": value, "last": 2}}
    assert type(found["chain"]["key"]) is type(value)


def test_braces_may_be_on_any_line() -> None:
    expected = {"chain": {"a": 1, "b": "x"}, "argTrain": {}}
    assert cfg("chain:{a:1,b:x}\nargTrain:{}") == expected
    assert cfg("# top\n\nchain :\n{\n  a : 1 # one\n\n  b:x\n}\n\n  argTrain\t:\n\n {\n }\n# end") == expected


def test_indented_sections_equal_sections_in_braces() -> None:
    indented = "chain :\n  a : 1\n  b : {'c.d': 5,'e': 25 }\narg_train :\n  f : 'x'\n\n    g : 0\n"
    assert cfg(indented) == cfg("chain : { a : 1\n b : { 'c.d' : 5, e : 25 } }\narg_train : { f : x, g : 0 }")


def test_nested_keys_have_line_numbers() -> None:
    section = read_cfg("chain :\n{\n a : 1\n b : { c : 2\n  d : [\n   {e : 3},\n   {e : 4} ] }\n}", SOURCE).sections[0]
    b = section.options["b"]
    assert (section.line, section.options["a"].line, b.line) == (1, 3, 4)
    assert b.line_of(["d"]) == 5
    assert b.line_of(["d", 1, "e"]) == 7
    assert b.line_of(["d", 9, "x"]) == 5


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("chain : {\n a b : 3}", "line 2, column 4", "expected ':'"),
        ("chain : {\n a : 'x\n}", "line 2, column 6", "closing quote"),
        ("chain : { proj : WGS:84 }", "line 1, column 21", "in quotes"),
        ("chain : { tiles : T31TCJ T31TDJ }", "line 1, column 26", "in quotes"),
        ("chain : { a : }", "line 1, column 15", "a quoted text"),
        ("chain : {\n a : 1\n", "line 2", "'}'"),
        ("chain : { a : [1, 2 }", "line 1, column 21", "']'"),
        ("chain : { a : " + "[" * 2000, "line 1", "nested deeper"),
        ("outputPath : '/x'", "line 1", "outside any section"),
        ("chain :\n  a :\n  b : 1", "line 2", "no value"),
    ],
)
def test_a_syntax_error_is_reported_with_position_and_expected_token(text: str, where: str, what: str) -> None:
    said = problems(text)
    assert where in said
    assert what in said


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("chain :\n{\n  a : 1\n  b : {'x' : 1\n  c : 2\n}\nother :\n{\n  d : 1\n}\n", "'{' opened on line 4, column 7"),
        ("chain :\n{\n  a : 1\n  b : {\n    x : [1, 2\n    y : 2\n  }\n}\n", "'[' opened on line 5, column 9"),
        ("chain :\n  a : {'x' : 1,\n  b : 2\nother :\n  c : 1\n", "'{' opened on line 2, column 7"),
        ("chain : {\n  a : 1\n", "'{' opened on line 1, column 9"),
        ("chain : {\n  a : [1, 2\n}\n", "'[' opened on line 2, column 7"),
    ],
)
def test_an_unclosed_bracket_is_reported_with_its_line(text: str, opened: str) -> None:
    assert problems(text).endswith(f"; is the {opened} closed?")


@pytest.mark.parametrize("text", ["chain : {\n a b : 3}", "chain : { a : [1, 2 }", "chain : {\n a : 1\n}\n}"])
def test_brackets_unrelated_to_an_error_are_not_reported(text: str) -> None:
    assert "opened on" not in problems(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("chain : {\n a : 1\n b : 2\n a : 1\n}", read_cfg),
        ("chain :\n  a : 1\n  b : 2\n  a : 1", read_cfg),
        ("chain:\n  a: 1\n  b: 2\n  a: 1", read_yaml),
    ],
)
def test_a_key_given_twice_is_an_error_with_both_lines(text: str, read: Any) -> None:
    assert "line 4: 'a' is given twice, first on line 2" in problems(text, read)


def test_a_nested_key_or_a_section_given_twice_is_an_error() -> None:
    said = problems("chain : { d : {x:1,x:2} }\nchain : {}")
    assert "'x' is given twice" in said
    assert "'chain' is given twice" in said


def test_yaml_gives_the_same_values_as_cfg() -> None:
    text = (
        "chain:\n  proj: 'EPSG:2154'\n  list_tile: T31TCJ T31TDJ\n  p: 1e-3\n  n: None\n  m: null\n  e:\n"
        "  on: true\n  d: {strategy.percent.p: .5}\n  l: [1, x]\n  day: 2018-01-01\narg_train:\n"
    )
    assert plain(read_yaml(text, SOURCE)) == {
        "chain": {
            "proj": "EPSG:2154",
            "list_tile": "T31TCJ T31TDJ",
            "p": 0.001,
            "n": None,
            "m": None,
            "e": None,
            "on": True,
            "d": {"strategy.percent.p": 0.5},
            "l": [1, "x"],
            "day": "2018-01-01",
        },
        "arg_train": {},
    }


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("chain:\n  a: !!python/object/apply:os.system ['true']", "tag"),
        ("chain:\n  a: !!python/name:os.system x", "tag"),
        ("chain:\n  a: &x [1]\n  b: [*x, *x]", "aliases"),
        ("chain:\n  a: [", "not YAML"),
        ('chain:\n  a: "\\ud800"', "no valid character"),
        ("- chain", "expected sections"),
        ("chain: 3", "outside any section"),
        ("chain:\n  ? [a]\n  : 1", "text as key"),
    ],
)
def test_yaml_with_tags_aliases_or_other_structure_is_rejected(text: str, what: str) -> None:
    said = problems(text, read_yaml)
    assert "line" in said
    assert what in said


def test_byte_order_mark_and_windows_newlines_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "é 漢.cfg"
    path.write_bytes(b"\xef\xbb\xbf" + "chain :\r\n{\r\n a : 'é'\r\n}\r\n".encode())
    assert plain(read_cfg(read_text(path), path)) == {"chain": {"a": "é"}}


def test_a_file_that_is_not_utf8_or_absent_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "latin.cfg"
    path.write_bytes("chain : {\n a : 'é' }".encode("latin-1"))
    with pytest.raises(ConfigError, match="line 2: is not UTF-8"):
        read_text(path)
    with pytest.raises(ConfigError, match="Check the path"):
        read_text(tmp_path / "absent.cfg")


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda f: "." in repr(f))
    | st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]))
)
trees = st.recursive(
    scalars,
    lambda t: st.lists(t, max_size=4) | st.dictionaries(st.text("abc.#:' ", min_size=1), t, max_size=4),
)


def written(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{written(k)} : {written(v)}' for k, v in value.items())}}}"
    return repr(value)


@given(st.dictionaries(st.text("abc_", min_size=1), trees, max_size=5))
def test_any_written_value_is_read_back(options: dict[str, object]) -> None:
    assert cfg(f"chain : {written(options)}") == {"chain": options}


@given(st.text("chain :{}[],'\"#\n\\ab1.", max_size=60))
def test_any_text_is_read_or_rejected_with_a_line(text: str) -> None:
    problems: tuple[str, ...] = ()
    try:
        read_cfg(text, SOURCE)
    except ConfigError as err:
        problems = err.problems
    assert all(problem.startswith("line ") for problem in problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('chain:\n  a: "\\UFFFFFFFF"', "line 2, column 9: not YAML: the number is too large"),
        ('chain:\n  a: "\\U00110000"', "line 2, column 9: not YAML"),
        ("%YAML " + "9" * 5000 + ".1\n---\nchain:", "line 1, column 7: not YAML: the number is too large"),
        ("%YAML 1." + "9" * 5000 + "\n---\nchain:", "line 1, column 9: not YAML: the number is too large"),
        ("%YAML 3.0\n---\nchain:", "line 1"),
        ("chain:\n  a: \0", "line 2: not YAML: the character U+0000 is not allowed"),
        ("chain:\n  a: \x1b[31m", "line 2: not YAML: the character U+001B is not allowed"),
        ("chain: " + "[" * 3000, "line 1: not YAML: values are nested deeper than 40"),
        ("chain: " + "{a: " * 60 + "1" + "}" * 60, "values are nested deeper than 40"),
        ("chain:\n" + "\n".join(" " * k + "a:" for k in range(1, 100)), "values are nested deeper than 40"),
        ("a: &a [*a]", "aliases"),
        ("a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]", "aliases"),
        ("chain: 1\n---\nchain: 2", "line 2"),
        ("? ? ?", "line 1"),
        ("chain: !<tag:yaml.org,2002:python/none> x", "tag"),
        ("!!binary aGVsbG8=: {}", "line 1"),
    ],
)
def test_yaml_that_its_parser_cannot_process_is_rejected_with_its_line(text: str, message: str) -> None:
    if text.startswith("!!binary"):
        assert plain(read_yaml(text, SOURCE)) == {"aGVsbG8=": {}}
    else:
        assert message in problems(text, read_yaml)


@pytest.mark.parametrize("word", ["1e999", "-1e999", "1.0e400", "9" * 400, "9" * 400 + ".5", "9" * 5000])
@pytest.mark.parametrize("read", [read_cfg, read_yaml])
def test_numbers_out_of_range_stay_words(word: str, read: Any) -> None:
    text = f"chain : {{ a : {word} }}" if read is read_cfg else f"chain:\n  a: {word}"
    assert plain(read(text, SOURCE)) == {"chain": {"a": word}}


@pytest.mark.parametrize(("suffix", "start"), [("cfg", "chain : { a : '"), ("yaml", 'chain:\n a: "')])
def test_a_text_that_is_too_long_is_rejected_fast(tmp_path: Path, suffix: str, start: str) -> None:
    path = tmp_path / f"long.{suffix}"
    for text, message in [
        (start + "x" * MAX_FILE_BYTES, "expected at most"),
        ("a:1\n" * MAX_ENTRIES, "lines and entries; expected at most 10000"),
        ("[" * (MAX_ENTRIES + 1), "expected at most 10000"),
    ]:
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            read_text(path)


def test_very_many_words_are_a_syntax_error_at_the_second_word() -> None:
    assert problems("chain : { a : b" + " c" * 400_000).startswith("line 1, column 17: found 'c'")


def test_a_projection_without_quotes_is_one_word() -> None:
    assert cfg("chain : { proj : EPSG:2154 }") == cfg("chain:{proj:epsg:2154}".replace("epsg", "EPSG"))
    assert cfg("chain : {\n proj : EPSG:32631\n a : 1 }") == {"chain": {"proj": "EPSG:32631", "a": 1}}


def test_files_that_are_no_text_are_rejected(tmp_path: Path) -> None:
    fifo, folder, utf16 = tmp_path / "fifo.cfg", tmp_path / "folder.cfg", tmp_path / "utf16.cfg"
    os.mkfifo(fifo)
    folder.mkdir()
    utf16.write_text("chain : {}", encoding="utf-16")
    for path, message in [
        (fifo, "named pipe"),
        (Path("/dev/zero"), "is a device"),
        (folder, "is a folder; expected a file. Give the configuration file"),
        (utf16, "line 1: is not UTF-8"),
        (tmp_path / ("x" * 300), "cannot be read"),
    ]:
        with pytest.raises(ConfigError, match=message):
            read_text(path)
