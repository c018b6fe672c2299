"""Mistakes inside objects and lists are shown where they are written, in each of the languages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vmforge.sdk.decoding import decode
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.options import Config, option
from vmforge.template import RuntimeScope, VariableInputs, load


@dataclass(frozen=True, kw_only=True)
class Port(Config):
    number: int = option(help="which")


@dataclass(frozen=True, kw_only=True)
class Adapter(Config):
    model: str = option("", help="what it is")
    queues: int = option(1, help="how many")
    ports: tuple[Port, ...] = option((), help="its ports")


@dataclass(frozen=True, kw_only=True)
class Machine(Config):
    adapters: tuple[Adapter, ...] = option((), help="the adapters")
    words: tuple[str, ...] = option((), help="words")
    sizes: Mapping[str, int] | None = option(None, help="sizes")


def found(path: Path, text: str) -> list[tuple[str, str]]:
    """What is wrong with the first provisioner of a template, and the text that is pointed at."""
    path.write_text(text, encoding="utf-8")
    template = load(path, VariableInputs(), started=datetime(2024, 5, 6, tzinfo=UTC))
    evaluated = template.builds[0].provisioners[0].evaluate(RuntimeScope("one", "null", None))
    assert evaluated.diagnostics == []
    findings = decode(evaluated.body, [Machine], interpolator()).diagnostics
    assert all(d.range is not None for d in findings)
    return [(d.summary, text[d.range.start.offset : d.range.end.offset]) for d in findings if d.range]


HCL = """
variable "model" { default = { modle = "x" } }
source "null" "one" {}
build {
  sources = ["null.one"]
  provisioner "any" {
    %s
  }
}
"""
CASES = [
    ('adapters = [{ model = "a" }, { modle = "b" }]', "unknown option `modle`", "modle"),
    ('adapters = { queues = "many" }', 'option `queues`: expected a whole number, not "many"', '"many"'),
    ("adapters = [({ ports = [{ number = 1 }, {}] })]", "missing option `number`", "{}"),
    ("adapters = [{}, 5]", "option `adapters`: expected a block, not 5", "5"),
    ("adapters = [for n in [1] : { modle = n }]", "unknown option `modle`", "modle"),
    ("adapters = [{}, var.model]", "unknown option `modle`", "var.model"),
    ("adapters = concat([{ modle = 1 }])", "unknown option `modle`", "concat([{ modle = 1 }])"),
    ('words = ["a", {}]', "option `words`: expected a string, not a map", "{}"),
    ("sizes = { a = 1, b = [] }", "option `sizes`: expected a whole number, not a list", "[]"),
    ('override = { one = { words = ["a", []] } }', "option `words`: expected a string, not a list", "[]"),
    ('override = { one = { wrds = "a" } }', "unknown option `wrds`", "wrds"),
]


@pytest.mark.parametrize(("setting", "summary", "place"), CASES)
def test_in_hcl(setting: str, summary: str, place: str, tmp_path: Path) -> None:
    assert found(tmp_path / "a.pkr.hcl", HCL % setting) == [(summary, place)]


JSON_CASES = [
    ({"adapters": [{"model": "a"}, {"modle": "b"}]}, "unknown option `modle`", '"modle"'),
    ({"adapters": {"ports": [{"number": 1}, {"number": "x"}]}}, "option `number`: expected a whole", '"x"'),
    ({"words": ["a", ["b"]]}, "option `words`: expected a string, not a list", '["b"]'),
    ({"override": {"one": {"sizes": {"a": []}}}}, "option `sizes`: expected a whole number", "[]"),
]


@pytest.mark.parametrize(("settings", "summary", "place"), JSON_CASES)
def test_in_json(settings: dict[str, object], summary: str, place: str, tmp_path: Path) -> None:
    """In the JSON syntax of HCL2, and in legacy templates."""
    hcl = {
        "source": {"null": {"one": {}}},
        "build": {"sources": ["null.one"], "provisioner": {"any": settings}},
    }
    legacy = {"builders": [{"type": "null", "name": "one"}], "provisioners": [{"type": "any", **settings}]}
    for name, template in [("a.pkr.json", hcl), ("b.json", legacy)]:
        ((said, at),) = found(tmp_path / name, json.dumps(template))
        assert (said[: len(summary)], at) == (summary, place), name
