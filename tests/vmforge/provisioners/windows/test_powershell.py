"""The `powershell` provisioner: the texts that reach the guest, and what becomes of statuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed, CommunicatorError, VmforgeError
from vmforge.provisioners.windows import PowerShellProvisioner
from vmforge.sdk.testing import configure

INLINE: dict[str, Any] = {"inline": ["Write-Host one", "Write-Host 'two'"]}
SECRET = "canary-5e6f"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("inline", {**INLINE, "environment_vars": ['A=it\'s "$5" `x`'], "env": {"B": "grün"}}),
        ("settings", {**INLINE, "execution_policy": "none", "debug_mode": 2, "use_pwsh": True}),
        (
            "own_command",
            {
                **INLINE,
                "execute_command": "powershell -file {{ .Path }} -vars {{ .Vars }} {{ .User }}",
                "remote_path": "c:/my script.ps1",
                "remote_env_var_path": "c:/vars.ps1",
                "env_var_format": "$env:%s = '%s'; ",
            },
        ),
        ("elevated", {**INLINE, "elevated_user": "{{ .User }}", "elevated_password": "{{ .WinRMPassword }}"}),
        (
            "elevated_own_command",
            {
                **INLINE,
                "elevated_user": "SYSTEM",
                "elevated_execute_command": "powershell -file '{{ .Path }}' '{{ .Vars }}'",
                "elevated_env_var_format": "[Environment]::SetEnvironmentVariable('%s', '%s')\n",
            },
        ),
    ],
)
@pytest.mark.parametrize("kind", ["winrm", "ssh"])
def test_what_reaches_the_guest(
    guest: Any, golden: Callable[[str, str], None], name: str, options: dict[str, Any], kind: str
) -> None:
    guest.kind = kind
    guest.provision(PowerShellProvisioner, {"User": "Admin", "WinRMPassword": "pass'word"}, **options)
    golden(f"windows/powershell_{name}.txt", guest.transcript)
    assert guest.files == {}


def test_what_the_guest_shows_and_messages(guest: Any, tmp_path: Path) -> None:
    (tmp_path / "a.ps1").write_bytes(b"# as it is\n")
    guest.respond = lambda command: (0, "shown\n")
    guest.provision(PowerShellProvisioner, scripts=[str(tmp_path / "a.ps1")], pause_after="10ms", binary=True)
    assert guest.ui.texts("stdout") == ["shown"]
    assert guest.ui.texts("message") == [f"running `{tmp_path}/a.ps1`", "pausing 0.0 s after the scripts"]
    assert b"# as it is\n" in guest.uploads.values()


def test_secrets_stay_off_command_lines(guest: Any) -> None:
    guest.provision(
        PowerShellProvisioner,
        {"WinRMPassword": SECRET},
        **INLINE,
        env={"TOKEN": SECRET},
        elevated_user="Admin",
        elevated_password="{{ .WinRMPassword }}",
    )
    assert guest.commands and all(SECRET not in command for command in guest.commands)
    assert SECRET in guest.secrets
    assert SECRET not in str(guest.ui.events)


def test_skip_clean(guest: Any) -> None:
    guest.provision(PowerShellProvisioner, **INLINE, skip_clean=True, remote_path="c:/kept.ps1")
    assert "c:/kept.ps1" in guest.files


@pytest.mark.parametrize(
    ("status", "valid", "text", "hint"),
    [
        (1, [0], "the inline script ended with exit status 1$", "-on-error=ask"),
        (3010, [0], "exit status 3010$", "`windows-restart`"),
        (3010, [0, 1641], "exit status 3010, not with 0 or 1641", "`windows-restart`"),
        (0xC0000142, [0], r"exit status 3221225794 \(0xC0000142\)", "shutting down"),
    ],
)
def test_bad_statuses(guest: Any, status: int, valid: list[int], text: str, hint: str) -> None:
    guest.respond = lambda command: (status, "")
    with pytest.raises(CommandFailed, match=text) as caught:
        guest.provision(PowerShellProvisioner, **INLINE, valid_exit_codes=valid)
    assert hint in caught.value.hint
    assert guest.files == {}


@pytest.mark.parametrize(("status", "valid"), [(3010, [0, 3010]), (2**32 - 1, [-1]), (-1, [4294967295])])
def test_good_statuses(guest: Any, status: int, valid: list[int]) -> None:
    guest.respond = lambda command: (status, "")
    guest.provision(PowerShellProvisioner, **INLINE, valid_exit_codes=valid)


def test_a_connection_that_ends(guest: Any, breaks: Any) -> None:
    guest.respond = breaks
    with pytest.raises(CommunicatorError, match="the inline script lost its connection") as caught:
        guest.provision(PowerShellProvisioner, **INLINE)
    assert "`windows-restart`" in caught.value.hint
    guest.provision(PowerShellProvisioner, **INLINE, valid_exit_codes=[2300218], start_retry_timeout="1m")
    assert guest.reconnects == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "there is nothing to run"),
        ({**INLINE, "script": "x.ps1"}, "only one of them"),
        ({"script": "none.ps1"}, "does not exist"),
        ({**INLINE, "elevated_password": "x"}, "has no effect without `elevated_user`"),
        ({**INLINE, "elevated_env_var_format": "%s"}, "must hold `%s` twice"),
        ({**INLINE, "debug_mode": 3}, "`debug_mode` is 3"),
        ({**INLINE, "execution_policy": "lax"}, "lax"),
        ({**INLINE, "execute_command": "{{ .Nope }}"}, "Nope"),
        ({**INLINE, "elevated_execute_command": "{{ .Nope }}"}, "Nope"),
    ],
)
def test_what_is_wrong(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        configure(PowerShellProvisioner, options)


def test_layers(tmp_path: Path) -> None:
    (tmp_path / "a.ps1").touch()
    made = configure(PowerShellProvisioner, {"script": str(tmp_path / "a.ps1")})
    assert isinstance(made, PowerShellProvisioner)
    assert made.cacheable
    assert list(made.input_files()) == [tmp_path / "a.ps1"]


def test_a_script_that_is_gone_by_then(guest: Any, tmp_path: Path) -> None:
    (tmp_path / "a.ps1").touch()
    made = configure(PowerShellProvisioner, {"script": str(tmp_path / "a.ps1")})
    (tmp_path / "a.ps1").unlink()
    from vmforge.sdk.testing import FakeMachine, fake_context

    assert isinstance(made, PowerShellProvisioner)
    with pytest.raises(VmforgeError, match="cannot be read"):
        made.provision(fake_context(tmp_path, communicator=guest), FakeMachine(guest))
