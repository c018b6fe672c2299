"""Options that another option supplies go under those that the template sets."""

from __future__ import annotations

from dataclasses import dataclass

from vmforge.sdk import Config, Presets, option
from vmforge.sdk.body import Block, Body, Setting
from vmforge.sdk.options import options_of


@dataclass(frozen=True, kw_only=True)
class Part(Config):
    pass


@dataclass(frozen=True, kw_only=True)
class Machine(Config):
    memory: int = option(1, help="Memory.")
    timeout: str = option("", aliases=("patience",), help="A limit.")
    part: Part | None = option(None, help="A block.")
    params: str = option("", help="What is said.")


OPTIONS = options_of(Machine).values()


def values(body: Body) -> dict[str, object]:
    return {name: setting.value for name, setting in body.settings.items()}


def test_what_the_template_leaves_out_is_supplied() -> None:
    presets = Presets({"memory": 2, "timeout": "5m", "part": {}})
    assert values(presets.under(Body(), OPTIONS)) == {"memory": 2, "timeout": "5m", "part": {}}


def test_what_it_sets_stays_under_whatever_name() -> None:
    body = Body({"patience": Setting("patience", "1m")}, (Block("part", (), Body()),))
    presets = Presets({"memory": 2, "timeout": "5m", "part": {}})
    assert values(presets.under(body, OPTIONS)) == {"patience": "1m", "memory": 2}


def test_null_is_left_out() -> None:
    presets = Presets({"memory": 2})
    assert values(presets.under(Body.of({"memory": None}), OPTIONS)) == {"memory": 2}


def test_what_is_completed_keeps_its_place() -> None:
    said = Body.of({"params": "half"})
    made = Presets(completed={"params": "whole"}).under(said, OPTIONS)
    assert made.settings["params"].value == "whole"
    assert made.settings["params"].range is said.settings["params"].range


def test_nothing_supplied_changes_nothing() -> None:
    body = Body.of({"memory": 3})
    assert Presets().under(body, OPTIONS) is body
