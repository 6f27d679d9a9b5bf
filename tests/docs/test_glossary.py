"""The glossary is sorted, has no duplicates, defines each term in one sentence, and its terms are in use."""

from __future__ import annotations

import re

import pytest

from tests.docs.helpers import PAGES, ROOT, text_of

GLOSSARY = ROOT / "docs/glossary.md"
ROWS = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", text_of(GLOSSARY).partition("| --- | --- |\n")[2], re.MULTILINE)
TERMS = [term for term, _ in ROWS]
USES = "\n".join(
    text_of(path).lower() for path in [*(ROOT / "src").rglob("*.py"), *(page for page in PAGES if page != GLOSSARY)]
)


def _sort_key(term: str) -> str:
    return re.sub(r"\W", "", term.casefold())


def test_the_glossary_covers_the_vocabulary() -> None:
    assert len(TERMS) >= 60
    assert {"tile", "part", "block", "grid", "recipe", "scene", "step", "job", "artifact", "plan"} <= set(TERMS)


def test_terms_are_sorted() -> None:
    assert sorted(TERMS, key=_sort_key) == TERMS


def test_no_term_is_defined_twice() -> None:
    keys = [_sort_key(term) for term in TERMS]
    assert sorted(set(keys)) == sorted(keys)


@pytest.mark.parametrize(("term", "meaning"), ROWS, ids=TERMS)
def test_a_term_has_one_sentence_and_is_used(term: str, meaning: str) -> None:
    assert re.fullmatch(r"[A-Z].*\.", meaning), "a sentence"
    assert ". " not in meaning, "one sentence"
    assert re.search(rf"(?<![a-z]){re.escape(term)}", USES), "used in docs or src, outside the glossary"
