"""Each problem that a source's values show, in the words that the user reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.boot import BOOT_FIELDS
from vmforge.sdk import Problem
from vmforge.sdk.interpolate import BUILD_VALUES

Problems = Callable[..., list[Problem]]

# (options, the option pointed at, what is said, whether it is a warning)
WRONG: list[tuple[dict[str, Any], str, str, bool]] = [
    (
        {"boot_command": ["{{ .HTTPIp }}"]},
        "boot_command",
        "option `boot_command`: unknown field `.HTTPIp` in `{{ .HTTPIp }}` (line 1, column 4); did you mean "
        "`.HTTPIP`? known are " + ", ".join(f"`.{name}`" for name in sorted({*BOOT_FIELDS, *BUILD_VALUES})),
        False,
    ),
    (
        {"qemuargs": [["-m", "{{ .Name"]]},
        "qemuargs",
        "option `qemuargs`: the action is not closed: expected `}}` in `{{ .Name` (line 1, column 3)",
        False,
    ),
    ({"iso_url": ""}, "", "there is no ISO to install from", False),
    ({"iso_urls": ["y.iso"]}, "iso_urls", "`iso_url` and `iso_urls` are both set", False),
    ({"iso_checksum": ""}, "", "`iso_checksum` is not set", False),
    (
        {"http_directory": "nowhere"},
        "http_directory",
        "`http_directory`: there is no folder `nowhere`",
        False,
    ),
    (
        {"http_directory": ".", "http_content": {"/a": "b"}},
        "http_content",
        "`http_directory` and `http_content` are both set",
        False,
    ),
    (
        {"http_port_min": 9100},
        "http_port_max",
        "`http_port_max` (9000) is less than `http_port_min` (9100)",
        False,
    ),
    (
        {"http_port_max": 70000},
        "http_port_max",
        "`http_port_max` is 70000; it must be from 1 to 65535",
        False,
    ),
    (
        {"http_network_protocol": "unix"},
        "http_network_protocol",
        "`http_network_protocol`: guests cannot reach a server over `unix`",
        False,
    ),
    ({"floppy_files": ["a.txt"]}, "floppy_files", "`floppy_files`: there is no file `a.txt`", False),
    ({"floppy_dirs": ["drivers"]}, "floppy_dirs", "`floppy_dirs`: there is no file `drivers`", False),
    ({"cd_files": ["meta-data"]}, "cd_files", "`cd_files`: there is no file `meta-data`", False),
    (
        {"boot_command": ["a"], "boot_steps": [["b", "c"]]},
        "boot_steps",
        "`boot_command` and `boot_steps` are both set",
        False,
    ),
    ({"boot_steps": [[]]}, "boot_steps", "a boot step is a list of the command and its description", False),
    (
        {"boot_steps": [["a", "b", "c"]]},
        "boot_steps",
        "a boot step is a list of the command and its description",
        False,
    ),
    ({"disk_size": 0}, "disk_size", "`disk_size` is 0", False),
    ({"disk_additional_size": ["1G", 0]}, "disk_additional_size", "`disk_additional_size` is 0", False),
    (
        {"disk_interface": "sd"},
        "disk_interface",
        "machines of type `pc` have no SD card slot for `disk_interface`",
        False,
    ),
    (
        {"format": "raw", "disk_compression": True},
        "disk_compression",
        "`disk_compression` has no effect on a raw image",
        True,
    ),
    (
        {"use_backing_file": True},
        "use_backing_file",
        "`use_backing_file` needs a disk image in qcow2 format",
        False,
    ),
    (
        {"use_backing_file": True, "disk_image": True, "disk_compression": True},
        "disk_compression",
        "`disk_compression` makes an image that stands alone, in spite of `use_backing_file`",
        True,
    ),
    ({"skip_resize_disk": True}, "skip_resize_disk", "`skip_resize_disk` needs `disk_image = true`", False),
    ({"cpus": -1}, "cpus", "`cpus` is negative", False),
    ({"sockets": -1}, "sockets", "`sockets` is negative", False),
    ({"use_tpm1": True}, "use_tpm1", "`use_tpm1` has no effect without `vtpm = true`", True),
    ({"use_pflash": True}, "use_pflash", "`use_pflash` needs `firmware`", False),
    (
        {"firmware": "bios.bin", "efi_boot": True},
        "firmware",
        "`firmware` and the `efi_...` options are both set",
        False,
    ),
    (
        {"disable_vnc": True, "boot_command": ['<wait "boot:">']},
        "boot_command",
        "`disable_vnc` leaves no screen to wait for",
        False,
    ),
    (
        {"vnc_password": "longer than 8"},
        "vnc_password",
        "`vnc_password` is longer than 8 characters, and VNC looks at no more of it",
        True,
    ),
    ({"qmp_enable": True}, "qmp_enable", "`qmp_enable` has no effect: there is no QMP socket", True),
    (
        {"qmp_enable": True, "qmp_socket_path": "/run/qmp"},
        "qmp_socket_path",
        "`qmp_socket_path` has no effect: there is no QMP socket",
        True,
    ),
    ({"vnc_port_min": 80}, "vnc_port_min", "`vnc_port_min` is 80; it must be from 5900 to 65535", False),
    (
        {"vnc_port_min": 5999, "vnc_port_max": 5950},
        "vnc_port_max",
        "`vnc_port_max` (5950) is less than `vnc_port_min` (5999)",
        False,
    ),
    (
        {"host_port_min": 5000},
        "host_port_max",
        "`host_port_max` (4444) is less than `host_port_min` (5000)",
        False,
    ),
    ({"qemuargs": [[]]}, "qemuargs", "`qemuargs` holds an empty list", False),
]


@pytest.mark.parametrize(("options", "option", "summary", "warning"), WRONG)
def test_a_problem_is_found_and_said(
    options: dict[str, Any], option: str, summary: str, warning: bool, problems: Problems
) -> None:
    found = [(problem.option, problem.summary, problem.warning) for problem in problems(**options)]
    assert found == [(option, summary, warning)]


def test_a_checksum_that_is_none(problems: Problems) -> None:
    (problem,) = problems(iso_checksum="sha3:00")
    assert problem.option == "iso_checksum"
    assert "`sha3:00`" in problem.summary or "is not a checksum" in problem.summary


def test_all_problems_are_found_at_once(problems: Problems) -> None:
    found = problems(iso_url="", disk_size=0, use_pflash=True, vnc_port_max=100, host_port_max=1)
    assert [problem.option for problem in found] == [
        "",
        "disk_size",
        "use_pflash",
        "vnc_port_max",
        "vnc_port_max",
        "host_port_max",
    ]


def test_a_key_that_does_not_exist_is_typed_as_it_is(problems: Problems) -> None:
    (problem,) = problems(boot_command=["<entre>"])
    assert (problem.option, problem.warning) == ("boot_command", True)
    assert "<entre>" in problem.summary


@pytest.mark.parametrize(
    "options",
    [
        # Packer's zero values mean that nothing is set
        {"cpus": 0, "sockets": 0, "host_port_min": 0, "vnc_port_max": 0, "http_port_min": 0},
        {"ssh_host_port_min": 2222, "ssh_host_port_max": 2230},
        {"http_port_min": 8500, "http_interface": "eth0", "http_network_protocol": "tcp4"},
        {"iso_checksum": "", "iso_skip_cache": True},
        {"disable_vnc": True},
        {"disable_vnc": True, "net_bridge": "br0"},
        {"run_once": True, "use_default_display": True, "display": "none", "boot_keygroup_interval": "1s"},
        {"disk_image": True, "use_backing_file": True, "skip_resize_disk": True},
        {"floppy_files": ["drivers/*.inf"], "cd_files": ["*/meta-data"]},
    ],
)
def test_nothing_is_wrong(options: dict[str, Any], problems: Problems) -> None:
    assert problems(**options) == []


def test_media_that_are_there(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert problems(cd_files=[f"{tmp_path}/a.txt"], floppy_dirs=[str(tmp_path)]) == []
