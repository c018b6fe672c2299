"""Booting at the keyboard: the wait for the prompt, and the boot command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmforge.builders.boot import BootMode, type_boot_steps
from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.qemu.guest import console_of
from vmforge.errors import MachineError
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import BuildContext, Duration

if TYPE_CHECKING:
    from vmforge.console.keys import Keyboard
    from vmforge.console.screen import ScreenReader
    from vmforge.console.sight import Sight

# How long `boot_wait = "auto"` waits at most, and for how long a prompt stands still.
_PROMPT_LIMIT = Duration(300)
_STILL = Duration(0.3)


@dataclass(frozen=True)
class Booting:
    """A machine that was started and asks for a boot command. `time_scale` multiplies limits on the guest,
    `reader` reads its screen."""

    config: QemuConfig
    context: BuildContext
    machine: VirtualMachine
    time_scale: float
    reader: ScreenReader

    def wait(self) -> None:
        """Wait until something may be typed. Raises `MachineError` when the machine ends meanwhile, or when
        `boot_wait = "auto"` finds no prompt."""
        wait = self.config.boot_wait
        if not isinstance(wait, Duration):
            self._wait_for_prompt()
        elif wait.seconds > 0:
            self._wait_at_most(wait)

    def type(self, fields: Mapping[str, object]) -> None:
        """Type the boot command. `fields` are what its `{{ }}` may use."""
        with self._keyboard() as (keyboard, sight):
            type_boot_steps(self.config, keyboard, self.context, fields, sight)

    def _wait_for_prompt(self) -> None:
        self.context.ui.message('waiting for the boot prompt (`boot_wait = "auto"`)')
        limit = _PROMPT_LIMIT * self.time_scale
        with self._keyboard() as (_, sight):
            if sight is not None and not sight.wait_for_prompt(_STILL, limit):
                hint = f"{sight.look(0).last_lines}\nset `boot_wait` to a time"
                raise MachineError(f"no boot prompt stood still within {limit}", hint=hint)

    def _wait_at_most(self, wait: Duration) -> None:
        if self.config.boot_mode is BootMode.ADAPTIVE and not self.config.disable_vnc:
            self.context.ui.message(f"waiting for the boot prompt, at most {wait} (`boot_wait`)")
            with self._keyboard() as (_, sight):
                if sight is not None:
                    sight.wait_for_prompt(_STILL, wait)
            return
        self.context.ui.message(f"waiting {wait} for the boot prompt (`boot_wait`)")
        if self.machine.wait_off(wait.seconds, self.context.cancellation):
            self.machine.check()

    @contextmanager
    def _keyboard(self) -> Iterator[tuple[Keyboard, Sight | None]]:
        """The machine's keyboard, and eyes on its screen if it has one that can be seen."""
        from vmforge.console.chords import HOLD, ChordKeyboard
        from vmforge.console.sight import Sight

        cancellation = self.context.cancellation
        if self.config.disable_vnc:
            yield (
                ChordKeyboard(lambda codes: self.machine.send_keys(codes, HOLD.seconds), cancellation),
                None,
            )
            return
        with console_of(self.machine, cancellation) as console:
            yield console, Sight(console, self.time_scale, self.reader)
