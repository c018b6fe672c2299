"""The installer's kernel and its command line, and what is said about odd combinations of options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vmforge.builders.kernel_boot import join_command_line, read_kernel
from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.qemu.layering import inputs
from vmforge.errors import Interrupted, VmforgeError
from vmforge.hypervisor.devices import Kernel
from vmforge.media.iso import write_iso
from vmforge.sdk import BuildContext, Problem
from vmforge.sdk.options import options_of
from vmforge.sdk.testing import RecordingUi, fake_context

MakeConfig = Callable[..., QemuConfig]
Problems = Callable[..., list[Problem]]

FIELDS = {"HTTPIP": "10.0.2.2", "HTTPPort": "8080", "Name": "base", "SSHPublicKey": "ssh-ed25519%20AAAA"}


@pytest.fixture
def fedora(tmp_path: Path) -> Path:
    path = tmp_path / "fedora.iso"
    files = {"images/pxeboot/vmlinuz": b"kernel", "images/pxeboot/initrd.img": b"disk", ".treeinfo": b""}
    write_iso(path, files, "F-41")
    return path


def test_the_kernel_is_copied_and_its_command_line_told(
    qemu: MakeConfig, fedora: Path, context: BuildContext
) -> None:
    ui = RecordingUi()
    config = qemu(
        boot_method="kernel", kernel_cmdline="inst.ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/{{ .Name }}.ks"
    )
    kernel = read_kernel(config, replace(context, ui=ui), fedora, "x86_64", FIELDS)
    line = "inst.stage2=hd:LABEL=F-41 inst.ks=http://10.0.2.2:8080/base.ks"
    assert kernel == Kernel(
        context.scratch.absolute() / "kernel", context.scratch.absolute() / "initrd", line
    )
    assert (kernel.image.read_bytes(), kernel.initrd.read_bytes()) == (b"kernel", b"disk")
    assert ui.texts("message") == [f"booting images/pxeboot/vmlinuz with `{line}`"]


def test_the_template_s_own_paths(qemu: MakeConfig, tmp_path: Path, context: BuildContext) -> None:
    write_iso(tmp_path / "own.iso", {"k": b"kernel", "i": b"disk"}, "own")
    config = qemu(boot_method="kernel", kernel_path="/k", initrd_path="i")
    kernel = read_kernel(config, context, tmp_path / "own.iso", "x86_64", FIELDS)
    assert (kernel.image.read_bytes(), kernel.initrd.read_bytes(), kernel.command_line) == (
        b"kernel",
        b"disk",
        "",
    )


def test_an_iso_without_a_known_kernel(qemu: MakeConfig, tmp_path: Path, context: BuildContext) -> None:
    write_iso(tmp_path / "own.iso", {"k": b"kernel"}, "own")
    with pytest.raises(VmforgeError, match="laid out like no installer"):
        read_kernel(qemu(boot_method="kernel"), context, tmp_path / "own.iso", "x86_64", FIELDS)
    assert not list(context.scratch.iterdir())


def test_an_interrupted_build_copies_no_more(qemu: MakeConfig, fedora: Path, tmp_path: Path) -> None:
    context = fake_context(tmp_path)
    context.cancellation.cancel()
    with pytest.raises(Interrupted):
        read_kernel(qemu(boot_method="kernel"), context, fedora, "x86_64", FIELDS)
    assert not (tmp_path / "initrd").exists()


@pytest.mark.parametrize(
    ("needed", "given", "line"),
    [
        ((), "", ""),
        ((), "quiet", "quiet"),
        (("a=1", "flag"), "", "a=1 flag"),
        (("a=1", "flag"), "b=2", "a=1 flag b=2"),
        (("a=1", "flag"), "a=2 b", "flag a=2 b"),
        (("root=live:CDLABEL=x", "rd.live.image"), "rd.live.image root=live:/dev/sr0", None),
        (("inst.stage2=hd:LABEL=x",), "stage2=http://mirror/", None),
        (("a=1",), "\n  b=2\n\n  c='two  words'\n", "a=1 b=2 c='two  words'"),
    ],
)
def test_what_is_needed_stands_in_front_unless_it_is_given(
    needed: tuple[str, ...], given: str, line: str | None
) -> None:
    assert join_command_line(needed, given) == (given if line is None else line)


def summaries(found: list[Problem]) -> list[tuple[str, bool]]:
    return [(problem.summary, problem.warning) for problem in found]


def test_a_good_configuration(problems: Problems) -> None:
    line = "ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/{{ .Name }} key={{ .SSHPublicKey }} {{ build `ID` }}"
    assert problems(boot_method="kernel", kernel_cmdline=line, disable_vnc=True) == []


def test_what_the_command_line_may_use(problems: Problems) -> None:
    (problem,) = problems(boot_method="kernel", kernel_cmdline="{{ .HTTPPath }}")
    assert (problem.option, problem.warning) == ("kernel_cmdline", False)


@pytest.mark.parametrize("option", ["kernel_cmdline", "kernel_path", "initrd_path"])
def test_options_of_the_other_method(problems: Problems, option: str) -> None:
    (problem,) = problems(**{option: "x"})
    assert (problem.option, problem.warning) == (option, True)
    assert problem.hint == 'set `boot_method = "kernel"`'


@pytest.mark.parametrize("option", ["boot_command", "boot_steps"])
def test_what_would_be_typed_is_not(problems: Problems, option: str) -> None:
    typed = {"boot_command": ["<enter>"], "boot_steps": [["<enter>", "go"]]}[option]
    found = problems(boot_method="kernel", disable_vnc=True, **{option: typed})
    assert summaries(found) == [(f'`{option}` is not typed with `boot_method = "kernel"`', True)]


def test_a_disk_image_has_no_installer(problems: Problems) -> None:
    found = problems(boot_method="kernel", disk_image=True)
    assert summaries(found) == [("`disk_image` has no installer whose kernel could be booted", False)]


def test_two_kernels(problems: Problems) -> None:
    (problem,) = problems(boot_method="kernel", qemuargs=[["-append", "quiet"]])
    assert "beside that of `boot_method" in problem.summary


@pytest.mark.parametrize(
    "argument", [["-snapshot"], ["-drive", "file=x.qcow2,snapshot=on"], ["-rtc", "base=2020-01-01"]]
)
def test_a_machine_that_is_reset_in_place_would_install_again(
    problems: Problems, argument: list[str]
) -> None:
    (problem,) = problems(boot_method="kernel", qemuargs=[argument])
    assert (problem.option, problem.warning) == ("qemuargs", False)
    assert "boot the installer again" in problem.summary
    assert problems(boot_method="kernel", qemuargs=[["-rtc", "base=utc"], ["-usb"]]) == []
    assert problems(qemuargs=[argument]) == []


@pytest.mark.parametrize("option", ["boot_method", "kernel_cmdline", "kernel_path", "initrd_path"])
def test_another_start_is_another_installation(option: str) -> None:
    assert options_of(QemuConfig)[option].info.affects_image


def test_a_command_line_that_names_the_machine_makes_its_name_an_input(qemu: MakeConfig) -> None:
    def depends_on_name(line: str) -> bool:
        config = qemu(boot_method="kernel", kernel_cmdline=line, vm_name="base")
        return "vm_name" in inputs(config, "digest", "tcg", Path(__file__), None)

    assert depends_on_name("hostname={{ .Name }}")
    assert not depends_on_name("hostname=x")
