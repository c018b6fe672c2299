"""What `boot_config` supplies, what wins over it, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import boot_configs
from vmforge.builders.boot_config import Installation, presets, served_answers, serves, with_answers
from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.qemu.layering import inputs
from vmforge.sdk import UNKNOWN, BuildContext, Presets, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.decoding import decode
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.options import options_of
from vmforge.sdk.registry import Kind, Registry

MakeConfig = Callable[..., QemuConfig]
Problems = Callable[..., list[Problem]]

FIELDS = {
    "HTTPIP": "10.0.2.2",
    "HTTPPort": "8080",
    "Name": "base",
    "SSHPublicKey": "ssh-ed25519 AAAA build",
    "PackageProxy": "http://10.0.2.2:3142",
}


def supplied(**options: Any) -> Presets:
    return presets(Body.of({"boot_config": "debian-12", **options}), interpolator())


def test_nothing_is_supplied_without_a_config() -> None:
    assert presets(Body.of({"memory": 512}), interpolator()) == Presets()


def test_a_config_supplies_login_boot_command_and_machine() -> None:
    made = supplied()
    assert not made.problems
    assert made.values["ssh_username"] == "builder"
    assert made.values["shutdown_command"] == "sudo -n shutdown -P now"
    assert made.values["boot_wait"] == "4s"
    command = "".join(made.values["boot_command"])  # type: ignore[arg-type]
    assert "install auto=true" in command and command.endswith("<enter>")
    assert "kernel_cmdline" not in made.values


def test_the_firmware_chooses_the_boot_command() -> None:
    uefi = "".join(supplied(efi_boot=True).values["boot_command"])  # type: ignore[arg-type]
    assert "linux /install.amd/vmlinuz" in uefi
    assert uefi == "".join(supplied(efi_firmware_code="code.fd").values["boot_command"])  # type: ignore[arg-type]


def test_the_kernel_s_command_line_in_place_of_typing() -> None:
    made = supplied(boot_method="kernel")
    assert str(made.values["kernel_cmdline"]).startswith(
        "auto=true priority=critical url=http://{{ .HTTPIP }}:"
    )
    assert not {"boot_command", "boot_wait"} & made.values.keys()


@pytest.mark.parametrize("name", ["boot_command", "boot_steps"])
def test_a_boot_command_of_the_template_s_own_has_its_own_wait(name: str) -> None:
    assert not {"boot_command", "boot_wait"} & supplied(**{name: [["x"]]}).values.keys()


def test_the_login_of_the_template_is_the_account_that_is_made() -> None:
    made = supplied(ssh_username="ada", ssh_password="secret", boot_params={"hostname": "engine"})
    assert made.completed["boot_params"] == {"hostname": "engine", "user": "ada", "password": "secret"}
    assert made.secrets == {"secret"}
    assert supplied(ssh_username="ada", boot_params={"user": "eve"}).completed["boot_params"] == {
        "user": "eve"
    }


def test_root_logs_in_with_the_build_s_key() -> None:
    assert supplied(ssh_username="root").completed["boot_params"] == {"root": "key"}


def test_the_passphrase_is_typed_at_the_end() -> None:
    made = supplied(boot_params={"encryption": "open <it>"})
    assert made.values["boot_command"][-1] == "<wait 'unlock disk' 60m>open <<wait1ms>it><enter>"  # type: ignore[index]
    assert made.secrets == {"open <it>"}


@pytest.mark.parametrize(
    ("options", "summary", "option", "part"),
    [
        ({"boot_config": "debian-21"}, "there is no boot config `debian-21`", "boot_config", ""),
        (
            {"boot_params": {"hostnam": "x"}},
            "`boot_params`: Debian 12 (bookworm) has no parameter `hostnam`",
            "boot_params",
            "hostnam",
        ),
        (
            {"disk_image": True},
            "`disk_image` has no installer, which `boot_config` is about",
            "boot_config",
            "",
        ),
        (
            {"boot_method": "kernel", "boot_params": {"encryption": "x"}},
            "a boot without typing leaves the disk's passphrase unanswered",
            "boot_method",
            "",
        ),
        (
            {"boot_config": None, "boot_params": {"user": "x"}},
            "`boot_params` without `boot_config`",
            "boot_params",
            "",
        ),
    ],
)
def test_what_is_wrong(options: dict[str, Any], summary: str, option: str, part: str) -> None:
    (problem,) = supplied(**options).problems
    assert (problem.summary, problem.option, problem.part) == (summary, option, part)
    assert problem.hint or option == "boot_config"


def test_a_name_that_is_not_known_yet_is_not_wrong() -> None:
    made = supplied(boot_config=UNKNOWN)
    assert not made.problems
    assert made.values["ssh_username"] is UNKNOWN
    assert not supplied(boot_params={"hostname": UNKNOWN}).problems


@pytest.mark.parametrize("name", boot_configs.names())
def test_every_config_supplies_options_that_there_are(name: str) -> None:
    """Decoded with the communicator that it names, for each firmware, typed and typing-free."""
    config = boot_configs.load(name)
    for firmware in config.boot:
        given = {
            "iso_url": "x.iso",
            "iso_checksum": "none",
            "boot_config": name,
            "efi_boot": firmware == "uefi",
        }
        made = presets(Body.of(given), interpolator())
        assert not made.problems
        _decode(Body.of({**given, **made.values, **made.completed}))
    if config.kernel is not None:
        given = {"iso_url": "x.iso", "iso_checksum": "none", "boot_config": name, "boot_method": "kernel"}
        made = presets(Body.of(given), interpolator())
        assert not made.problems
        _decode(Body.of({**given, **made.values, **made.completed}))


def _decode(body: Body) -> None:
    from vmforge.builders.qemu import QemuBuilder

    communicator = str(body.settings.pop("communicator").value)  # type: ignore[attr-defined]
    connector = Registry().load(Kind.COMMUNICATOR, communicator)
    decoded = decode(body, [QemuConfig, connector.config_type], interpolator())
    assert [found.summary for found in decoded.diagnostics] == []
    wrong = [problem.summary for problem in QemuBuilder.check(decoded.get(QemuConfig))]
    wrong += [problem.summary for problem in connector.check(decoded.get(connector.config_type))]
    assert wrong == []


def test_answers_are_filled_in_when_they_are_served(qemu: MakeConfig, context: BuildContext) -> None:
    config = qemu(boot_config="debian-12", boot_params={"password": "secret"})
    files = served_answers(Installation(config, False), context, FIELDS)
    assert set(files) == {"/preseed.cfg", "/finish.sh"}
    assert "ssh-ed25519 AAAA build\n" in files["/finish.sh"]
    assert "mirror/http/proxy string http://10.0.2.2:3142\n" in files["/preseed.cfg"]
    assert "{{" not in "".join(files.values()) and "secret" not in "".join(files.values())


def test_answers_on_a_disc_beside_the_template_s_own(qemu: MakeConfig, context: BuildContext) -> None:
    config = qemu(
        boot_config="ubuntu-24.04", boot_params={"delivery": "cd"}, cd_content={"meta-data": "mine", "x": "y"}
    )
    installation = Installation(config, False)
    assert not serves(installation)
    content = with_answers(config, installation, context, FIELDS).cd_content
    assert set(content) == {"user-data", "meta-data", "vendor-data", "x"}
    assert content["meta-data"] == "mine"
    assert supplied(boot_config="ubuntu-24.04", boot_params={"delivery": "cd"}).values["cd_label"] == "CIDATA"


def test_a_source_without_a_config_serves_nothing(qemu: MakeConfig, context: BuildContext) -> None:
    installation = Installation(qemu(), False)
    assert not serves(installation)
    assert served_answers(installation, context, FIELDS) == {}
    assert installation.texts() == {}


def test_late_fields_in_the_parameters_are_judged(problems: Problems) -> None:
    (problem,) = problems(boot_config="debian-12", boot_params={"late_commands": ["echo {{ .HTTPIPP }}"]})
    assert problem.option == "boot_params"
    assert "HTTPIPP" in problem.summary


def layer_inputs(config: QemuConfig) -> dict[str, str | Path]:
    return dict(inputs(config, "digest", "tcg", Path("/bin/sh"), None))


def test_layers_depend_on_the_answers(qemu: MakeConfig) -> None:
    def of(**params: Any) -> dict[str, str | Path]:
        return layer_inputs(qemu(boot_config="debian-12", boot_params=params))

    assert of() == of()
    assert of(password="a") == of(password="a")
    assert of(password="a") != of(password="b")
    assert of(timezone="UTC") != of(timezone="Europe/Berlin")
    # how long one waits changes nothing in the machine
    assert of(install_timeout="1h") == of(install_timeout="2h")
    assert "the answer file `/preseed.cfg`" in of()


def test_layers_depend_on_the_name_where_answers_say_it(qemu: MakeConfig) -> None:
    config = qemu(boot_config="ubuntu-24.04", vm_name="a")
    assert layer_inputs(config) != layer_inputs(replace(config, vm_name="b"))
    plain = qemu(boot_config="debian-12", vm_name="a")
    assert layer_inputs(plain) == layer_inputs(replace(plain, vm_name="b"))


def test_the_options_are_documented() -> None:
    table = options_of(QemuConfig)
    assert "vmforge os list" in table["boot_config"].info.help
    assert "vmforge os show" in table["boot_params"].info.help
