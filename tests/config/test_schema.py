"""The schema is complete and documented."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic.fields import FieldInfo

from iota2.classifiers.scikit.options import ScikitParams
from iota2.config import legacy
from iota2.config.options.chain import Chain
from iota2.config.options.schema import ATTRIBUTES, SECTIONS, Config
from iota2.config.options.train import ScikitModels
from iota2.options import Options, about, default_of, is_mandatory, keys, kind, nested


def options(cls: type[Options], path: str) -> Iterator[tuple[str, str, FieldInfo]]:
    for key, info in keys(cls).items():
        yield key, f"{path}.{key}", info
        inner = nested(info)
        if inner:
            yield from options(inner, f"{path}.{key}")


def every_option() -> list[tuple[str, str, FieldInfo]]:
    """Key, full path and field of every option, including nested ones."""
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
            if not is_mandatory(info):
                written = default_of(info)
                cls.__pydantic_validator__.validate_assignment(cls.model_construct(), key, written)
        assert name in ATTRIBUTES


def test_legacy_names_refer_to_existing_options() -> None:
    for old, (section, key) in legacy.OPTIONS.items():
        homes = [section] if section else ["Sentinel_2", "Landsat8"]
        assert all(key in keys(SECTIONS[home]) for home in homes), old
        assert old not in {k for cls in SECTIONS.values() for k in keys(cls)} or old == key, old
    assert set(legacy.SECTIONS.values()) <= set(SECTIONS)
    assert not set(legacy.SECTIONS) & set(SECTIONS)


def test_every_section_is_the_attribute_of_its_own_class() -> None:
    config = Config(chain=Chain.model_construct())
    assert {name: type(config.section(name)) for name in SECTIONS} == dict(SECTIONS)


def test_options_of_scikit_learn_are_those_of_the_classifier() -> None:
    """Defaults, limits and texts have one home; ``model_type`` selects the classifier, and its default is None."""
    for name, field in ScikitModels.model_fields.items():
        other = ScikitParams.model_fields[name]
        if name != "model_type":
            assert (field.description, field.default) == (other.description, other.default)
            assert (field.metadata, field.annotation) == (other.metadata, other.annotation)
    assert ScikitModels.model_fields.keys() == ScikitParams.model_fields.keys()
