"""cloud-init: the seed on a disc and over HTTP, and the wait in the guest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from vmforge.builders.cloud_init import (
    CloudInit,
    SeedTransport,
    await_cloud_init,
    make_seed,
    seed_arguments,
    seed_files,
    served_seed,
)
from vmforge.builders.qemu.config import QemuConfig
from vmforge.errors import CommandFailed, CommunicatorError, VmforgeError
from vmforge.media.iso import IsoImage
from vmforge.sdk import BuildContext, Problem
from vmforge.sdk.testing import FakeCommunicator, RecordingUi, fake_context

MakeConfig = Callable[..., QemuConfig]
FIELDS = {"Name": "web-1", "SSHPublicKey": "ssh-ed25519 AAAA test", "HTTPIP": "10.0.2.2", "HTTPPort": "8000"}


def test_the_block(qemu: MakeConfig) -> None:
    config = qemu(cloud_init={"user_data": "#cloud-config", "seed": "http", "wait": False})
    assert config.cloud_init == CloudInit(user_data="#cloud-config", seed=SeedTransport.HTTP, wait=False)
    assert qemu().cloud_init is None and qemu().seeds_by is None


def test_an_empty_block_lets_the_build_log_in(qemu: MakeConfig, context: BuildContext) -> None:
    path = make_seed(qemu(cloud_init={}), context, FIELDS)
    assert path is not None and path.is_absolute()
    with IsoImage(path) as image:
        assert image.volume_id == "cidata"
        assert sorted(image.files()) == ["meta-data", "user-data"]
        assert image.read("user-data").startswith(b"#cloud-config\n")
        meta = yaml.safe_load(image.read("meta-data"))
    assert meta["local-hostname"] == "web-1" and meta["public-keys"] == ["ssh-ed25519 AAAA test"]


def test_texts_are_rendered(context: BuildContext) -> None:
    block = CloudInit(
        user_data="#cloud-config\nkey: {{ .SSHPublicKey }}\n",
        meta_data="instance-id: {{ .Name }}",
        network_config="from: http://{{ .HTTPIP }}:{{ .HTTPPort }}",
    )
    assert seed_files(block, context, FIELDS) == {
        "user-data": "#cloud-config\nkey: ssh-ed25519 AAAA test\n",
        "meta-data": "instance-id: web-1",
        "network-config": "from: http://10.0.2.2:8000",
    }


def test_templates_of_cloud_inits_own_stay(context: BuildContext) -> None:
    text = "## template: jinja\n#cloud-config\nname: {{ v1.local_hostname }}\n"
    assert seed_files(CloudInit(user_data=text), context, FIELDS)["user-data"] == text


def test_another_seed_is_another_instance(context: BuildContext) -> None:
    def instance(block: CloudInit, **fields: str) -> str:
        found: dict[str, str] = json.loads(seed_files(block, context, FIELDS | fields)["meta-data"])
        return found["instance-id"]

    first = instance(CloudInit())
    assert first == instance(CloudInit())
    assert (
        len({first, instance(CloudInit(user_data="#!/bin/sh")), instance(CloudInit(), SSHPublicKey="x")}) == 3
    )


def test_over_http(qemu: MakeConfig, context: BuildContext) -> None:
    config = qemu(cloud_init={"user_data": "#!/bin/sh", "seed": "http"})
    assert make_seed(config, context, FIELDS) is None
    served = served_seed(config, context, {"Name": "web-1", "SSHPublicKey": ""})
    assert sorted(served) == ["/cloud-init/meta-data", "/cloud-init/user-data", "/cloud-init/vendor-data"]
    assert served["/cloud-init/user-data"] == "#!/bin/sh"
    ((switch, value),) = seed_arguments(config, "10.0.2.2:8000")
    assert (switch, value) == ("-smbios", "type=1,serial=ds=nocloud-net;s=http://10.0.2.2:8000/cloud-init/")


def test_without_the_block_there_is_nothing(qemu: MakeConfig, context: BuildContext) -> None:
    config = qemu()
    assert make_seed(config, context, FIELDS) is None
    assert served_seed(config, context, FIELDS) == {} and seed_arguments(config, "x:1") == ()


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"user_data": "#cloud-config {{ .Oops }}"}, "Oops"),
        ({"user_data": "#cloud-config {{ .HTTPPort }}", "seed": "http"}, "HTTPPort"),
        ({"user_data": "packages: [vim]"}, "would not know what `user_data` is"),
        ({"user_data": "#cloud-config\npackages: [vim\n"}, "`user_data` is no YAML: expected"),
        ({"meta_data": "instance-id"}, "`meta_data` is no map of keys and values"),
        ({"network_config": "\tversion: 2"}, "`network_config` is no YAML"),
    ],
)
def test_what_is_wrong(problems: Callable[..., list[Problem]], block: dict[str, Any], part: str) -> None:
    assert any(part in problem.summary for problem in problems(cloud_init=block))


class Guest:
    """A guest that answers one command after the other: a status and a text, or the connection's end."""

    def __init__(self, folder: Path, *answers: tuple[int, str] | None) -> None:
        self._answers = list(answers)
        self.ui = RecordingUi()
        self.communicator = FakeCommunicator(folder, self._respond)
        self.context = fake_context(folder, ui=self.ui)

    def _respond(self, command: str) -> tuple[int, str]:
        answer = self._answers.pop(0)
        if answer is None:
            raise CommunicatorError("closed")
        return answer


DONE = (0, "...\nstatus: done")


def test_waiting(tmp_path: Path) -> None:
    guest = Guest(tmp_path, DONE)
    await_cloud_init(guest.context, guest.communicator)
    assert "cloud-init status --wait" in guest.communicator.commands[0] and guest.ui.events == []


def test_waiting_through_a_restart(tmp_path: Path) -> None:
    guest = Guest(tmp_path, None, DONE)
    await_cloud_init(guest.context, guest.communicator)
    assert guest.communicator.reconnects == 1


def test_a_guest_without_it(tmp_path: Path) -> None:
    guest = Guest(tmp_path, (99, ""))
    await_cloud_init(guest.context, guest.communicator)
    assert guest.ui.texts("warn") == ["the guest has no cloud-init: nobody read the seed"]


def test_a_guest_that_saw_no_seed(tmp_path: Path) -> None:
    guest = Guest(tmp_path, (0, "\nstatus: disabled"))
    await_cloud_init(guest.context, guest.communicator)
    (warning,) = guest.ui.texts("warn")
    assert "(status: disabled): nobody read the seed" in warning


def test_errors_that_it_got_over(tmp_path: Path) -> None:
    guest = Guest(tmp_path, (2, "status: done"), (2, "errors: one"))
    await_cloud_init(guest.context, guest.communicator)
    assert guest.ui.texts("stdout") == ["errors: one"] and len(guest.ui.texts("warn")) == 1


# As cloud-init 22.4 and 24.2 print it
OLD = """\
status: error
boot_status_code: enabled-by-generator
last_update: Fri, 20 Nov 2026 14:50:58 +0000
detail:
('scripts-user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))
"""
NEW = """\
status: error
extended_status: error - done
boot_status_code: enabled-by-generator
detail: DataSourceNoCloud [seed=/dev/vdb]
errors:
\t- ('scripts-user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))
recoverable_errors:
WARNING:
\t- Failed to run module scripts_user
"""


@pytest.mark.parametrize("report", [OLD, NEW])
def test_errors_that_it_did_not_get_over(tmp_path: Path, report: str) -> None:
    guest = Guest(tmp_path, (1, "status: error"), (1, report), (0, "sh: 1: oops: not found"))
    with pytest.raises(CommandFailed) as caught:
        await_cloud_init(guest.context, guest.communicator)
    assert caught.value.message == (
        "cloud-init failed in the guest: "
        "('scripts-user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))"
    )
    assert caught.value.status == 1
    assert guest.ui.texts("stdout") == [*report.splitlines(), "sh: 1: oops: not found"]


def test_a_failure_that_it_does_not_explain(tmp_path: Path) -> None:
    guest = Guest(tmp_path, (1, ""), (1, "status: error"), (1, ""))
    with pytest.raises(CommandFailed, match="failed in the guest: status 1"):
        await_cloud_init(guest.context, guest.communicator)


def test_a_text_that_is_no_yaml_once_it_is_rendered(context: BuildContext) -> None:
    block = CloudInit(user_data="#cloud-config\nusers: [{{ .Name }}\n")
    with pytest.raises(VmforgeError, match=r"`user_data` is no YAML: .* in line 3"):
        seed_files(block, context, FIELDS)


def test_lists_of_parts_are_left_to_cloud_init(context: BuildContext) -> None:
    text = "#cloud-config-archive\n- type: text/x-shellscript\n"
    assert seed_files(CloudInit(user_data=text), context, FIELDS)["user-data"] == text
