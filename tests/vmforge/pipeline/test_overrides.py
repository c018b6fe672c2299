"""`--set [SOURCE.]OPTION=VALUE`."""

from __future__ import annotations

import pytest

from vmforge.errors import UsageError
from vmforge.pipeline.overrides import Override, apply
from vmforge.sdk.body import Body

NAMES = ("base", "qemu.base", "qemu")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("memory=1024", Override("memory", "1024")),
        ("base.memory=1024", Override("memory", "1024", "base")),
        ("qemu.base.memory=1024", Override("memory", "1024", "qemu.base")),
        ('qemuargs=[["-cpu","max"]]', Override("qemuargs", [["-cpu", "max"]])),
        ("ssh_password=a=b", Override("ssh_password", "a=b")),
        ("boot_wait=null", Override("boot_wait", None)),
    ],
)
def test_parse(text: str, expected: Override) -> None:
    assert Override.parse(text) == expected


@pytest.mark.parametrize("text", ["memory", "=5", "list=[1,"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(UsageError):
        Override.parse(text)


def test_applies_to_the_named_source_only() -> None:
    body = Body.of({"memory": 512})
    changed = apply(
        [Override("memory", "1024", "other"), Override("cpus", "2")], body, NAMES, ["memory", "cpus"]
    )
    assert {n: s.value for n, s in changed.settings.items()} == {"memory": 512, "cpus": "2"}


def test_a_soft_override_leaves_builders_without_the_option_alone() -> None:
    body = Body.of({})
    soft = Override("accelerator", "tcg", soft=True)
    assert not apply([soft], body, NAMES, ["memory"]).settings
    assert apply([soft], body, NAMES, ["accelerator"]).settings["accelerator"].value == "tcg"
