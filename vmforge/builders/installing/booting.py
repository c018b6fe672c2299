"""Booting at the keyboard: the wait for the prompt, and the boot command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from vmforge.builders.boot import BootMode, type_boot_steps
from vmforge.builders.installing.contract import Console
from vmforge.builders.installing.guest import Guest
from vmforge.builders.installing.options import InstallOptions
from vmforge.errors import MachineError
from vmforge.sdk import BuildContext, Duration

if TYPE_CHECKING:
    from vmforge.console.grouped import GroupedKeyboard, Stroke

# How long `boot_wait = "auto"` waits at most, and for how long a prompt stands still.
_PROMPT_LIMIT: Final = Duration(300)
_STILL: Final = Duration(0.3)


def wait_for_prompt(config: InstallOptions, context: BuildContext, guest: Guest) -> None:
    """Wait until something may be typed. Raises `MachineError` when the machine ends meanwhile, or when
    `boot_wait = "auto"` finds no prompt."""
    wait = config.boot_wait
    if not isinstance(wait, Duration):
        context.ui.message('waiting for the boot prompt (`boot_wait = "auto"`)')
        if _watch(guest, _PROMPT_LIMIT) is False:
            raise MachineError(
                f"no boot prompt stood still within {_PROMPT_LIMIT}", hint="set `boot_wait` to a time"
            )
        return
    if wait.seconds <= 0:
        return
    context.ui.message(f"waiting {wait} for the boot prompt (`boot_wait`)")
    if config.boot_mode is BootMode.ADAPTIVE and _watch(guest, wait) is not None:
        return
    context.cancellation.wait(wait.seconds)


def _watch(guest: Guest, limit: Duration) -> bool | None:
    """Whether a prompt was seen within the limit; None at once where the screen cannot be seen."""
    with guest.hypervisor.console() as console:
        return console.sight.wait_for_prompt(_STILL, limit) if console.sight is not None else None


def type_boot_command(
    config: InstallOptions, context: BuildContext, console: Console, fields: Mapping[str, object]
) -> None:
    """Type the boot command. `fields` are what its `{{ }}` may use."""
    type_boot_steps(config, console.keyboard, context, fields, console.sight)


def grouped_keyboard(
    config: InstallOptions, context: BuildContext, send: Callable[[tuple[Stroke, ...]], None]
) -> GroupedKeyboard:
    """A keyboard whose every message is a call of `send`: in groups, or, with `boot_key_interval`, key by
    key."""
    from vmforge.console.grouped import GROUP, GROUP_INTERVAL, GroupedKeyboard

    if config.boot_key_interval is not None:
        return GroupedKeyboard(send, context.cancellation, 1, config.boot_key_interval)
    return GroupedKeyboard(send, context.cancellation, GROUP, config.boot_keygroup_interval or GROUP_INTERVAL)
