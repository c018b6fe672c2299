"""Every built-in component keeps its contract, and each way of breaking one is found."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vmforge.sdk import BuildContext, Config, Machine, Problem, Provisioner, Secret, option
from vmforge.sdk.component import Component
from vmforge.sdk.registry import Claim, Registry, load_claim
from vmforge.sdk.testing import ContractViolation, check_component, faults_of

BUILT_IN = [claim for claim in Registry().claims() if claim.built_in]


@pytest.mark.parametrize("claim", BUILT_IN, ids=str)
def test_built_in_components_keep_their_contracts(claim: Claim) -> None:
    check_component(load_claim(claim))


@dataclass(frozen=True, kw_only=True)
class GoodConfig(Config):
    text: str = option("", help="What it says.")
    password: Secret | None = option(None, help="What lets it in.")


class Good(Provisioner[Any]):
    config_type: ClassVar[type[Config]] = GoodConfig
    summary = "does no harm"

    def provision(self, context: BuildContext, machine: Machine) -> None:
        return None


def test_what_is_right_passes() -> None:
    check_component(Good)


@dataclass(frozen=True, kw_only=True)
class BadConfig(Config):
    unset: str = ""
    silent: str = option("", help="")
    anything: Any = option("", help="Whatever there is.")
    members: set[str] = option(frozenset(), help="Who is in it.")
    wrong: int = option("one", help="How many there are.")
    password: str = option("", help="What lets it in.")
    tokens_and: Mapping[str, str] = option({}, help="Of no harm.")


class BadOptions(Good):
    config_type = BadConfig


def test_faults_of_options_are_found() -> None:
    faults = "\n".join(faults_of(BadOptions))
    for fault in (
        "`unset` is not declared with `option(...)`",
        "`silent` has no help",
        "`anything` has a type that users cannot know",
        "`members` has a type that users cannot know",
        "`wrong` has the default 'one', which is no number",
        "`password` holds a secret by its name",
    ):
        assert fault in faults
    assert "tokens_and" not in faults


class Frozen(Good):
    class Loose(Config):
        text: str = option("", help="What it says.")

    config_type = Loose


class NoSummary(Good):
    summary = ""


class Future(Good):
    sdk_version = "99.0"


class Opens(Good):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        Path("/etc/hostname").read_bytes()


class Writes(Good):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        Path("/dev/null").write_text("x")


class Threads(Good):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        threading.Thread(target=threading.Event().wait, args=(1,), daemon=True).start()


class Judges(Good):
    """What `check` does is `deed`."""

    @staticmethod
    def deed(config: GoodConfig) -> Iterable[Any]:
        return ()

    @classmethod
    def check(cls, config: Any) -> Iterable[Problem]:
        return cls.deed(config)


class Prints(Judges):
    @staticmethod
    def deed(config: GoodConfig) -> Iterable[Any]:
        print("looking")
        return ()


class Connects(Judges):
    @staticmethod
    def deed(config: GoodConfig) -> Iterable[Any]:
        socket.getaddrinfo("localhost", 1)
        return ()


class Raises(Judges):
    @staticmethod
    def deed(config: GoodConfig) -> Iterable[Any]:
        if "\n" in config.text:
            raise KeyError(config.text)
        return ()


class Tells(Judges):
    @staticmethod
    def deed(config: GoodConfig) -> Iterable[Any]:
        if config.password is not None:
            yield Problem(f"`{config.password.value}` is too weak", "password")


class Points(Judges):
    @staticmethod
    def deed(config: GoodConfig) -> Iterable[Any]:
        yield Problem("it is wrong", "nowhere")


class Strings(Judges):
    @staticmethod
    def deed(config: GoodConfig) -> Iterable[Any]:
        yield "it is wrong"


@pytest.mark.parametrize(
    ("component", "fault"),
    [
        (Frozen, "`Loose` is not a `@dataclass(frozen=True, kw_only=True)`"),
        (NoSummary, "has no `summary`"),
        (Future, "`sdk_version` is `99.0`"),
        (Provisioner, "lacks `provision`"),
        (Component, "derives from 0 of"),
        (Opens, "the constructor opens `/etc/hostname`"),
        (Writes, "the constructor writes `/dev/null`"),
        (Threads, "the constructor starts a thread"),
        (Prints, "`check` prints `looking`"),
        (Connects, "`check` uses the network"),
        (Raises, r"`check` raises `KeyError: 'a\nb'` when `text` is 'a\nb'"),
        (Tells, "`check` tells the value of `password`, a secret"),
        (Points, "`check` points at `nowhere`, which is no option"),
        (Strings, "`check` gives something other than `Problem`"),
    ],
)
def test_each_breach_is_found(component: type[Component[Any]], fault: str) -> None:
    with pytest.raises(ContractViolation) as violation:
        check_component(component)
    assert f"  - {fault}" in str(violation.value).replace("KeyError: 'a\\\\nb'", "KeyError: 'a\\nb'")
