"""The schema is complete and documented, and the pages made from it are current."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pydantic.fields import FieldInfo

from iota2.config import legacy
from iota2.config.fields import Options, about, default_of, keys, kind, nested
from iota2.config.schema import ATTRIBUTES, SECTIONS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def options(cls: type[Options], path: str) -> Iterator[tuple[str, str, FieldInfo]]:
    for key, info in keys(cls).items():
        yield key, f"{path}.{key}", info
        inner = nested(info)
        if inner:
            yield from options(inner, f"{path}.{key}")


def every_option() -> list[tuple[str, str, FieldInfo]]:
    """Key, whole path and field of every option, nested ones included."""
    return [option for name, cls in SECTIONS.items() for option in options(cls, name)]


def test_every_option_has_one_sentence_and_a_type_in_words() -> None:
    for _, path, info in every_option():
        sentence = info.description or ""
        assert sentence.endswith("."), path
        assert sentence[0].isupper() or sentence[0] == "`", path
        assert kind(info), path
        assert about(info).status != "no effect" or about(info).reason, path


def test_every_default_is_itself_valid() -> None:
    for name, cls in SECTIONS.items():
        for key, info in keys(cls).items():
            if not info.is_required():
                written = default_of(info)
                cls.__pydantic_validator__.validate_assignment(cls.model_construct(), key, written)
        assert name in ATTRIBUTES


def test_old_names_lead_to_options_that_exist() -> None:
    for old, (section, key) in legacy.OPTIONS.items():
        homes = [section] if section else ["Sentinel_2", "Landsat8"]
        assert all(key in keys(SECTIONS[home]) for home in homes), old
        assert old not in {k for cls in SECTIONS.values() for k in keys(cls)} or old == key, old
    assert set(legacy.SECTIONS.values()) <= set(SECTIONS)
    assert not set(legacy.SECTIONS) & set(SECTIONS)


def test_written_pages_are_current(generate: ModuleType) -> None:
    for name, page in generate.PAGES.items():
        written = (DOCS / "reference" / name).read_text(encoding="utf-8")
        assert written == page(), f"{name}: run python docs/generate.py"


def test_the_options_page_names_every_option_and_old_name(generate: ModuleType) -> None:
    page = generate.options_page()
    for key, path, _ in every_option():
        inside = page.split(f" {path.removesuffix('.' + key)}\n", 1)[1].split("\n#", 1)[0]
        assert f"\n| `{key}` |" in inside, path
    for old in [*legacy.OPTIONS, *legacy.SECTIONS, *legacy.BUILDERS, *legacy.WITHOUT_EFFECT]:
        assert f"`{old}`" in page


def test_check_notices_a_page_that_differs(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "FOLDER", tmp_path / "reference")
    assert generate.main(["--check"]) == 1
    assert "options.md is not current" in capsys.readouterr().out
    assert not (tmp_path / "reference").exists()
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "reference" / "options.md").write_text("old", encoding="utf-8")
    assert generate.main(["--check"]) == 1
