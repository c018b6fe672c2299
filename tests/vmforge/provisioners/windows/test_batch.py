"""The `windows-shell` provisioner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed
from vmforge.provisioners.windows import WindowsShellProvisioner
from vmforge.sdk.testing import configure

INLINE: dict[str, Any] = {"inline": ["echo %A%", "exit 0"], "environment_vars": ["A=100%", "B=two words"]}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("inline", INLINE),
        ("own_command", {**INLINE, "execute_command": '{{ .Vars }} cmd /c "{{ .Path }}"'}),
        ("own_format", {**INLINE, "env_var_format": "set %s=%s & ", "remote_path": "c:/x.bat"}),
    ],
)
def test_what_reaches_the_guest(
    guest: Any, golden: Callable[[str, str], None], name: str, options: dict[str, Any]
) -> None:
    guest.provision(WindowsShellProvisioner, **options)
    golden(f"windows/batch_{name}.txt", guest.transcript)
    assert guest.files == {}


def test_lines_end_as_batch_files_need_it(guest: Any) -> None:
    guest.provision(WindowsShellProvisioner, **INLINE)
    content = guest.uploads["c:/Windows/Temp/script.bat"]
    assert content.count(b"\n") == content.count(b"\r\n") > 3


def test_scripts_in_order(guest: Any, tmp_path: Path) -> None:
    for name in ("b.bat", "a.bat"):
        (tmp_path / name).write_bytes(name.encode())
    paths = [str(tmp_path / "b.bat"), str(tmp_path / "a.bat")]
    guest.provision(WindowsShellProvisioner, scripts=paths, binary=True, start_retry_timeout="1m")
    assert guest.ui.texts("message") == [f"running `{path}`" for path in paths]
    assert guest.commands == ['cmd /c "c:/Windows/Temp/script.bat"'] * 2


def test_statuses(guest: Any) -> None:
    guest.respond = lambda command: (2**32 - 1, "")
    guest.provision(WindowsShellProvisioner, **INLINE, valid_exit_codes=[0, 3010, 4294967295])
    with pytest.raises(CommandFailed, match="4294967295"):
        guest.provision(WindowsShellProvisioner, **INLINE)


def test_layers_and_what_is_wrong(tmp_path: Path) -> None:
    made = configure(WindowsShellProvisioner, INLINE)
    assert isinstance(made, WindowsShellProvisioner)
    assert made.cacheable and list(made.input_files()) == []
    with pytest.raises(ValueError, match="nothing to run"):
        configure(WindowsShellProvisioner, {})
