"""Restarts and updates, against a guest whose time of being up is played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vmforge.errors import CommandFailed, CommunicatorError
from vmforge.provisioners.windows import WindowsRestartProvisioner, WindowsUpdateProvisioner, rebooting
from vmforge.provisioners.windows.elevated import Account, elevated_script
from vmforge.provisioners.windows.restart import RESTART_COMMAND, pending_command
from vmforge.provisioners.windows.update import update_script
from vmforge.sdk import Secret
from vmforge.sdk.testing import configure

UPTIME = rebooting.UPTIME_COMMAND


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebooting, "_PAUSE_FIRST", 0.001)
    monkeypatch.setattr(rebooting, "_PAUSE_MOST", 0.001)


class Windows:
    """Answers `uptimes` one by one (None: the connection breaks; a text is what comes in place of a number),
    the last one for ever; other commands from `answers`, by a part of them."""

    def __init__(self, uptimes: list[int | str | None], **answers: list[int]) -> None:
        self.uptimes: Iterator[int | str | None] = iter(uptimes)
        self.last = uptimes[-1]
        self.answers = {name: iter(statuses) for name, statuses in answers.items()}

    def __call__(self, command: str) -> tuple[int, str]:
        if command == UPTIME:
            value = next(self.uptimes, self.last)
            if value is None:
                raise CommunicatorError("broke")
            return 0, f"{value}\n"
        for name, statuses in self.answers.items():
            if name in command:
                status = next(statuses, 0)
                if status < -1:
                    raise CommunicatorError("broke")
                return status, ""
        return 0, ""


def test_a_restart_is_told_by_its_uptime(guest: Any) -> None:
    # it answers on, then is gone, then answers nonsense while it starts
    guest.respond = Windows([500, 501, None, None, "starting", 12])
    guest.provision(WindowsRestartProvisioner)
    assert guest.commands == [UPTIME, RESTART_COMMAND, *[UPTIME] * 5]
    assert guest.reconnects == 2
    assert guest.ui.texts("message")[-1] == "the guest has restarted"


def test_a_restart_that_is_quicker_than_its_command(guest: Any) -> None:
    guest.respond = Windows([500, 3], mine=[-9])
    guest.provision(WindowsRestartProvisioner, restart_command="mine")
    assert guest.commands == [UPTIME, "mine", UPTIME]


@pytest.mark.parametrize("status", [1115, 1190])
def test_a_restart_that_is_under_way_already(guest: Any, status: int) -> None:
    guest.respond = Windows([500, 3], shutdown=[status])
    guest.provision(WindowsRestartProvisioner)


def test_a_command_that_refuses(guest: Any) -> None:
    guest.respond = Windows([500], shutdown=[5])
    with pytest.raises(CommandFailed, match=r"the restart command `shutdown .*` ended with exit status 5"):
        guest.provision(WindowsRestartProvisioner)


def test_a_guest_that_does_not_restart(guest: Any) -> None:
    guest.respond = Windows([500, 501])
    with pytest.raises(CommunicatorError, match="has not restarted within") as caught:
        guest.provision(WindowsRestartProvisioner, restart_timeout="50ms")
    assert "`restart_timeout`" in caught.value.hint


def test_a_guest_that_is_no_windows(guest: Any) -> None:
    guest.respond = lambda command: (127, "")
    with pytest.raises(CommunicatorError, match="does not say how long it has been up"):
        guest.provision(WindowsRestartProvisioner)


def test_checks_are_repeated_until_they_pass(guest: Any) -> None:
    guest.respond = Windows([500, 3], settled=[1, -9, 0], Test_Path=[1], RebootPending=[1, 0])
    guest.provision(WindowsRestartProvisioner, restart_check_command="settled", check_registry=True)
    registry = next(command for command in guest.commands if "RebootPending" in command)
    assert guest.commands[3:] == ["settled"] * 3 + [registry] * 2
    assert "waiting until Windows has completed its updates" in guest.ui.texts("message")


def test_own_registry_keys(guest: Any) -> None:
    guest.respond = Windows([500, 3])
    guest.provision(WindowsRestartProvisioner, check_registry=True, registry_keys=["HKLM:\\It's", "HKLM:\\B"])
    assert guest.commands[-1] == (
        "powershell -NoProfile -NonInteractive -Command \"if ((Test-Path 'HKLM:\\It''s') -or "
        "(Test-Path 'HKLM:\\B')) { exit 1 }\""
    )
    assert guest.commands[-1] == pending_command(["HKLM:\\It's", "HKLM:\\B"])


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"restart_command": ""}, "`restart_command` is empty"), ({"restart_timeout": "0s"}, "leaves no time")],
)
def test_what_is_wrong_with_a_restart(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        configure(WindowsRestartProvisioner, options)


def elevated_runs(guest: Any) -> list[str]:
    return [command for command in guest.commands if "vmforge-elevated" in command]


def test_updates_go_on_until_none_are_left(guest: Any) -> None:
    guest.respond = Windows([500, 3, 600, 4], elevated=[101, 101, 0])
    guest.provision(WindowsUpdateProvisioner, restart_timeout="1h", restart_check_command="settled")
    assert len(elevated_runs(guest)) == 3
    assert guest.commands.count(RESTART_COMMAND) == 2
    assert guest.commands.count("settled") == 2
    assert guest.ui.texts("message")[0] == "installing updates, round 1"


def test_a_round_that_fails_is_tried_again(guest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vmforge.sdk import Cancellation

    monkeypatch.setattr(Cancellation, "wait", lambda self, seconds: None)
    guest.respond = Windows([1], elevated=[1, 1, 0])
    guest.provision(WindowsUpdateProvisioner, update_max_retries=2)
    guest.respond = Windows([1], elevated=[1, 1])
    with pytest.raises(CommandFailed, match="exit status 1, 2 times in a row"):
        guest.provision(WindowsUpdateProvisioner, update_max_retries=1)


def test_a_connection_that_an_update_breaks(guest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vmforge.sdk import Cancellation

    monkeypatch.setattr(Cancellation, "wait", lambda self, seconds: None)
    guest.respond = Windows([1], elevated=[-9, 0])
    guest.provision(WindowsUpdateProvisioner)
    assert guest.reconnects == 1


def test_updates_without_end(guest: Any) -> None:
    guest.respond = Windows([500] + [3, 500] * 60, elevated=[101] * 60)
    with pytest.raises(CommandFailed, match="after 50 restarts"):
        guest.provision(WindowsUpdateProvisioner, restart_command="reboot")
    assert guest.commands.count("reboot") == 50


def test_the_scripts_as_texts(golden: Callable[[str, str], None]) -> None:
    """PowerShell is not on the machines that test vmforge: a change of its texts must be looked at."""
    options = {
        "search_criteria": "IsInstalled=0",
        "filters": ["exclude:$_.Title -like '*Preview*'", "include:$true"],
        "update_limit": 25,
        "username": "Admin",
        "password": "secret",
    }
    made = configure(WindowsUpdateProvisioner, options)
    assert isinstance(made, WindowsUpdateProvisioner)
    assert made.cacheable
    golden("windows/update.ps1", update_script(made.config))
    account = Account("it's me", Secret("pass'word"))
    golden("windows/elevated.ps1", elevated_script('cmd /c "a & b"', account, "vmforge-elevated-1"))


def test_whom_updates_run_as(guest: Any) -> None:
    guest.respond = Windows([1])
    guest.provision(WindowsUpdateProvisioner, username="Admin", password="canary-5e6f")
    elevated = next(content for path, content in guest.uploads.items() if "elevated" in path).decode()
    assert "$user = 'Admin'" in elevated and "$password = 'canary-5e6f'" in elevated
    assert "canary-5e6f" not in " ".join(guest.commands)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"filters": ["$true"]}, "is not a filter"),
        ({"filters": ["keep:$true"]}, "is not a filter"),
        ({"update_limit": 0}, "`update_limit` is less than 1"),
        ({"update_max_retries": -1}, "`update_max_retries` is negative"),
    ],
)
def test_what_is_wrong_with_updates(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        configure(WindowsUpdateProvisioner, options)
