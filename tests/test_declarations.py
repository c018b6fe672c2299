"""Every option that a component declares has a test that sets it, a help text and a type that decodes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from vmforge.sdk.options import Config, options_of
from vmforge.sdk.registry import Kind, Registry

TESTS = Path(__file__).parent
EXAMPLES = TESTS.parent / "examples"


def declared() -> list[tuple[str, str]]:
    """(component, option) for every option of every built-in component, nested blocks included."""
    registry = Registry()
    found: dict[tuple[str, str], None] = {}
    for kind in Kind:
        for name in registry.names(kind):
            for option in _all_options(registry.load(kind, name).config_type):
                found[(f"{kind} {name}", option)] = None
    return list(found)


def _all_options(config_type: type[Config]) -> list[str]:
    from vmforge.sdk.decoding import block_type

    names = []
    for option in options_of(config_type).values():
        names.append(option.name)
        nested = block_type(option.type)[0]
        if nested is not None:
            names += _all_options(nested)
    return names


@cache
def words_of_tests() -> frozenset[str]:
    files = [path for path in TESTS.rglob("*.py") if path != Path(__file__)]
    files += [path for folder in (TESTS, EXAMPLES) for path in folder.rglob("*.pkr.hcl")]
    return frozenset(word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(("component", "option"), declared())
def test_an_option_is_exercised(component: str, option: str) -> None:
    assert option in words_of_tests(), f"no test sets `{option}` of {component}"


@pytest.mark.parametrize("kind", list(Kind))
def test_options_explain_themselves(kind: Kind) -> None:
    registry = Registry()
    for name in registry.names(kind):
        component = registry.load(kind, name)
        assert component.summary, f"{kind} {name} has no summary"
        for option in options_of(component.config_type).values():
            assert option.info.help.endswith((".", "!", "?")) or " " in option.info.help, option.name
            assert option.type_text != "any value", f"{name}.{option.name} has a type that users cannot know"
