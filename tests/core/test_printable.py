"""Names and messages are shown without control characters."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from iota2.cli import guarded
from iota2.core.words import json_text, one_line, printable, some
from iota2.errors import UserError
from iota2.io.files.atomic import write_json
from iota2.report.templating import environment
from iota2.terminal.console import Console, JsonLines

EVIL = "a\x1b[31mb\x9bc\u202ed\x7f\ud83d\r"
SHOWN = r"a\x1b[31mb\x9bc\u202ed\x7f\ud83d\x0d"


def test_control_characters_are_escaped() -> None:
    assert printable(EVIL) == SHOWN
    assert printable("été\tforêt\n林 \u200cfine") == "été\tforêt\n林 \u200cfine"
    assert one_line("a\nb\tc") == r"a\nb\tc"
    assert some([EVIL, "x\ny"]) == rf"{SHOWN}, x\ny"


@given(st.text(st.characters()))
def test_printable_text_is_valid_utf_8_and_unchanged_by_a_second_call(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    shown.encode()
    assert all(character in "\n\t" or ord(character) >= 32 for character in shown)


@given(st.text(st.characters()))
def test_json_text_decodes_to_the_same_text(text: str) -> None:
    shown = json_text({"name": text})
    assert json.loads(shown) == {"name": text}
    assert printable(shown) == shown


def test_the_terminal_shows_escapes(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        logging.getLogger("iota2.test").warning("careful with %s", EVIL.replace("\ud83d", ""))
        raise UserError(f"{EVIL} is missing")

    Console().say(f"note: {EVIL}")
    JsonLines().say(EVIL)
    assert guarded(fails, debug=True) == 1
    out, err = capsys.readouterr()
    assert f"note: {SHOWN}\n" in out
    assert json.loads(out.splitlines()[1]) == {"event": "note", "text": EVIL}
    assert f"error: {SHOWN} is missing" in err
    assert not {"\x1b", "\x9b", "\u202e"} & set(out + err)


def test_pages_show_escapes_and_keep_markup() -> None:
    page = environment().from_string("<p title='{{ name }}'>{{ name }}</p>{{ markup }}")
    shown = page.render(name=EVIL, markup=Markup("<b>a</b>"))
    assert shown == f"<p title='{SHOWN}'>{SHOWN}</p><b>a</b>"


def test_json_files_contain_escapes_that_decode_to_the_same_text(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {EVIL: [EVIL]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert not {"\x1b", "\x9b", "\u202e"} & set(text)
    assert json.loads(text) == {EVIL: [EVIL]}
