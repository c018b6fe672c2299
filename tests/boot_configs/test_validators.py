"""Every system's answer files, for sets of parameters and either firmware, pass their validators.

The validators are the system's own where there is one: pykickstart (each version of Fedora and RHEL),
`debconf-set-selections -c`, the shells; else vmforge's (vmforge/builders/answer_checks).
"""

from __future__ import annotations

import pytest

from boot_configs import Firmware, load, names
from tests.boot_configs.parameter_sets import KEY, SETS, parameters
from vmforge.builders.answer_checks import AnswerKind, check, recognise
from vmforge.console.boot_command import check_boot_command
from vmforge.sdk.interpolate import interpolator

# What the build fills in: with a key of its own and the proxy, and with neither.
FIELDS = {
    "HTTPIP": "10.0.2.2",
    "HTTPPort": "8000",
    "Name": "sample",
    "SSHPublicKey": KEY,
    "PackageProxy": "http://10.0.2.2:3128",
}
BARE = FIELDS | {"SSHPublicKey": "", "PackageProxy": ""}


@pytest.mark.parametrize("chosen", SETS)
@pytest.mark.parametrize("name", names())
def test_its_validator_has_nothing_against_it(name: str, chosen: str) -> None:
    config = load(name)
    for firmware in config.boot:
        rendered = config.render(parameters(config, chosen), firmware=firmware, salt="salt")
        for file in rendered.answer_files:
            for fields in (FIELDS, BARE):
                text = interpolator().with_fields(fields).render(file.text)
                if file.kind in list(AnswerKind):
                    found = check(AnswerKind(file.kind), text, file.dialect, programs=True)
                    assert found == [], f"{file.path}, {firmware}"


@pytest.mark.parametrize("chosen", SETS)
@pytest.mark.parametrize("name", names())
def test_its_boot_command_can_be_typed(name: str, chosen: str) -> None:
    config = load(name)
    rendered = config.render(parameters(config, chosen), salt="")
    for command in rendered.boot_command.values():
        text = interpolator().with_fields(FIELDS).render("".join((*command, rendered.unlock)))
        checked = check_boot_command(text)
        assert checked.errors == ()


@pytest.mark.parametrize("name", names())
def test_its_answer_files_are_recognised_by_themselves(name: str) -> None:
    """So a user's own copy of one is checked as well."""
    rendered = load(name).render({}, firmware=Firmware.BIOS, salt="")
    for file in rendered.answer_files:
        if file.kind in list(AnswerKind):
            assert recognise(file.path, file.text) == file.kind
