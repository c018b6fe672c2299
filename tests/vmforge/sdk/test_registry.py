"""Plugins that work, plugins that do not, and what each of them is to everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vmforge.installed import GREETER, distribution
from vmforge.sdk.registry import ComponentError, Kind, Registry


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that distributions are installed to."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def refused(name: str, kind: Kind = Kind.PROVISIONER) -> ComponentError:
    with pytest.raises(ComponentError) as failure:
        Registry().load(kind, name)
    return failure.value


def test_a_plugin_is_loaded_as_the_built_in_ones_are(site: Path) -> None:
    distribution(
        site, "vmforge-greet", {"provisioners.greet": "greet_works:Greeter"}, {"greet_works": GREETER}
    )
    registry = Registry()
    assert registry.has(Kind.PROVISIONER, "greet")
    assert "greet" not in registry.built_in(Kind.PROVISIONER)
    assert registry.load(Kind.PROVISIONER, "greet").summary == "says hello"
    (claim,) = registry.claims(Kind.PROVISIONER, "greet")
    assert (claim.origin, claim.version, str(claim)) == ("`vmforge-greet` 1.0", "1.0", "provisioner `greet`")


@pytest.mark.parametrize(
    ("module", "text", "message", "hint"),
    [
        (
            "greet_a",
            "import not_there_at_all",
            "No module named 'not_there_at_all'",
            "--force-reinstall vmforge-bad",
        ),
        ("greet_b", "class Greeter(:", "SyntaxError: invalid syntax", "--force-reinstall vmforge-bad"),
        ("greet_c", "raise OSError('no licence')", "OSError: no licence", "--force-reinstall vmforge-bad"),
        ("greet_d", "import sys; sys.exit(3)", "SystemExit: 3", "--force-reinstall vmforge-bad"),
        ("greet_e", "x = 1", "AttributeError", "--force-reinstall vmforge-bad"),
        ("greet_f", "from vmforge.sdk import Gone", "cannot import name 'Gone'", "upgrade the plugin"),
        ("greet_g", "Greeter = 1", "is no provisioner", "derive it from `vmforge.sdk.Provisioner`"),
        (
            "greet_h",
            "from vmforge.sdk import Builder as Greeter",
            "is no provisioner",
            "vmforge.sdk.Provisioner",
        ),
        (
            "greet_i",
            "from vmforge.sdk import Provisioner as Greeter",
            "lacks `provision`",
            "upgrade the plugin",
        ),
    ],
)
def test_a_broken_plugin_says_why(site: Path, module: str, text: str, message: str, hint: str) -> None:
    distribution(site, "vmforge-bad", {"provisioners.bad": f"{module}:Greeter"}, {module: text + "\n"})
    failure = refused("bad")
    assert message in failure.message
    assert "`vmforge-bad` 1.0" in failure.message
    assert hint in failure.hint
    # and nothing else is touched by it
    assert Registry().load(Kind.PROVISIONER, "shell").summary


def test_the_line_at_fault_is_named(site: Path) -> None:
    distribution(site, "vmforge-bad", {"provisioners.bad": "greet_j:X"}, {"greet_j": "\n\n1 / 0\n"})
    assert refused("bad").detail == f"at line 3 of {site / 'greet_j.py'}"


@pytest.mark.parametrize(
    ("version", "message", "hint"),
    [
        ("2.0", "written for version 2.0 of vmforge's SDK, and this vmforge has 1.", "upgrade vmforge"),
        ("1.99", "written for version 1.99 of vmforge's SDK", "pip install --upgrade vmforge"),
        ("0.9", "written for version 0.9 of vmforge's SDK", "pip install --upgrade vmforge-old"),
        ("next", "`sdk_version` `next`, which is no version", "its author must write it"),
    ],
)
def test_a_plugin_for_another_sdk_is_refused(site: Path, version: str, message: str, hint: str) -> None:
    module = f"greet_{version.replace('.', '_')}"
    text = GREETER.replace('"1.0"', f'"{version}"')
    distribution(site, "vmforge-old", {"provisioners.old": f"{module}:Greeter"}, {module: text})
    failure = refused("old")
    assert message in failure.message
    assert hint in failure.hint


def test_a_name_with_two_claimants_belongs_to_neither(site: Path) -> None:
    for name in ("vmforge-one", "vmforge-two"):
        distribution(site, name, {"provisioners.greet": "greet_k:Greeter"}, {"greet_k": GREETER})
    failure = refused("greet")
    assert "`vmforge-one` 1.0 and `vmforge-two` 1.0" in failure.message
    assert "pip uninstall vmforge-two" in failure.hint


def test_a_built_in_name_cannot_be_taken_in_silence(site: Path) -> None:
    distribution(site, "vmforge-evil", {"provisioners.shell": "greet_l:Greeter"}, {"greet_l": GREETER})
    failure = refused("shell")
    assert "`vmforge-evil` 1.0" in failure.message
    assert failure.hint == "keep one of them, as with `pip uninstall vmforge-evil`"
    assert Registry().load(Kind.PROVISIONER, "file").summary
