"""The `shell-local` provisioner, with real commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed, HostError
from vmforge.provisioners.shell_local import ShellLocalProvisioner
from vmforge.sdk import Provisioner
from vmforge.sdk.testing import FakeCommunicator, FakeMachine, RecordingUi, configure, fake_context


class Here:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ui = RecordingUi()

    def run(self, data: dict[str, str] | None = None, **options: Any) -> list[str]:
        """Run with these options; returns the lines of output so far."""
        component = configure(ShellLocalProvisioner, options)
        assert isinstance(component, Provisioner)
        context = fake_context(self.folder, ui=self.ui, data=data or {})
        component.provision(context, FakeMachine(FakeCommunicator(self.folder)))
        return self.ui.texts("stdout")


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


@pytest.mark.parametrize(
    "options", [{"command": "echo hi"}, {"inline": ["x=hi", "echo $x"]}, {"inline": "echo hi"}]
)
def test_commands(here: Here, options: dict[str, Any]) -> None:
    assert here.run(**options) == ["hi"]
    assert list(here.folder.iterdir()) == []


def test_scripts(here: Here) -> None:
    for name in ("a", "b"):
        script = here.folder / name
        script.write_text(f"#!/bin/sh\necho {name}\n")
        script.chmod(0o755)
    assert here.run(scripts=[str(here.folder / "b"), str(here.folder / "a")]) == ["b", "a"]


def test_a_script_that_is_not_executable(here: Here) -> None:
    (here.folder / "a").write_text("#!/bin/sh\n")
    with pytest.raises(CommandFailed, match="a` ended with exit status 126") as caught:
        here.run(script=str(here.folder / "a"))
    assert "permissions" in caught.value.hint


def test_variables(here: Here) -> None:
    lines = here.run(
        data={"PackerHTTPIP": "10.0.2.2"},
        inline=['echo "$A|$B|$PACKER_BUILD_NAME|$PACKER_HTTP_IP"'],
        environment_vars=["A=it's", "B=1"],
        env={"B": "2"},
    )
    assert lines == ["it's|2|base|10.0.2.2"]


def test_variables_without_vars_in_the_command(here: Here) -> None:
    assert here.run(command="echo $A", env={"A": "1"}, execute_command=["/bin/sh", "{{ .Script }}"]) == ["1"]


def test_execute_command_as_one_string(here: Here) -> None:
    assert here.run(
        command="echo $A", env={"A": "1"}, execute_command="{{.Vars}} sh {{.Script}}; echo 2"
    ) == ["1", "2"]


def test_inline_shebang_and_extension(here: Here) -> None:
    assert here.run(inline=["false", "echo on"], inline_shebang="/bin/sh") == ["on"]
    (line,) = Here(here.folder).run(command="echo $0", tempfile_extension=".cmd")
    assert line.endswith(".cmd") and not line.endswith("..cmd")


def test_a_failure_removes_the_script(here: Here) -> None:
    with pytest.raises(CommandFailed, match="the inline script ended with exit status 3"):
        here.run(command="exit 3")
    assert list(here.folder.iterdir()) == []
    here.run(command="exit 3", valid_exit_codes=[3])


def test_only_on(here: Here) -> None:
    assert here.run(command="echo a", only_on=["windows"]) == []
    assert here.ui.texts("message") == ["skipped: `only_on` does not name this system, `linux`"]
    assert here.run(command="echo a", only_on=["windows", "linux"]) == ["a"]


def test_a_program_that_is_missing(here: Here) -> None:
    with pytest.raises(HostError, match="`pwsh-is-not-here` cannot be started"):
        here.run(command="a", execute_command=["pwsh-is-not-here", "{{.Script}}"])


def test_linux_pathing_leaves_linux_paths(here: Here) -> None:
    script = here.folder / "a"
    script.write_text("#!/bin/sh\necho $0\n")
    script.chmod(0o755)
    assert here.run(script=str(script), use_linux_pathing=True) == [str(script)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "there is nothing to run"),
        ({"command": "a", "inline": ["b"]}, "`command` and `inline` are set"),
        ({"command": "a", "only_on": ["lunix"]}, "`lunix` is none of `darwin`"),
        ({"command": "a", "use_linux_pathing": True}, "works only with `script` and `scripts`"),
        ({"command": "a", "execute_command": ["sh", "{{.Scrip}}"]}, "did you mean `.Script`?"),
        ({"script": "/nowhere.sh"}, "script `/nowhere.sh` does not exist"),
    ],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(ShellLocalProvisioner, options)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "execute", [None, ["/bin/sh", "-c", "{{ .Vars }} exec {{ .Script }}"], "{{.Vars}} {{.Script}}"]
)
def test_secret_is_on_no_command_line(here: Here, execute: Any) -> None:
    component = configure(
        ShellLocalProvisioner,
        {"inline": ["tr '\\0' ' ' < /proc/$PPID/cmdline; echo; echo $A"], "env": {"A": "CANARY"}}
        | ({"execute_command": execute} if execute else {}),
    )
    assert isinstance(component, Provisioner)
    seen = fake_context(here.folder, ui=here.ui)
    context = replace(seen, hide=lambda text: text.replace("CANARY", "<sensitive>"))
    component.provision(context, FakeMachine(FakeCommunicator(here.folder)))
    parent, value = here.ui.texts("stdout")
    assert (value, "CANARY" in parent) == ("CANARY", False)
    assert list(here.folder.iterdir()) == []
