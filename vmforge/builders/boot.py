"""Boot commands: the options, and typing them into the machine's console."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmforge.sdk import BuildContext, Config, Duration, Problem, option
from vmforge.sdk.late import check_late

if TYPE_CHECKING:
    from vmforge.console.keys import Keyboard


@dataclass(frozen=True, kw_only=True)
class BootOptions(Config):
    """Options of every builder that types at a boot prompt."""

    boot_command: tuple[str, ...] = option(
        (),
        late=True,
        help="What to type once the machine has started; the parts are joined as they are. "
        "`<enter>`, `<wait5>`, `<leftCtrlOn>` and the like stand for keys and pauses.",
    )
    boot_steps: tuple[tuple[str, ...], ...] = option(
        (), late=True, help="The same in steps: a list of [command, description]."
    )
    boot_wait: Duration = option(
        Duration(10),
        help="How long to wait after the start before typing; negative means not at all.",
        affects_image=False,
    )
    boot_key_interval: Duration | None = option(
        None,
        help="The pause after each key event.",
        default_text="100ms, or `PACKER_KEY_INTERVAL`",
        affects_image=False,
    )
    boot_keygroup_interval: Duration | None = option(
        None, help="Accepted for Packer's sake; has no effect over VNC.", affects_image=False
    )

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """What to type, as (command, description) pairs."""
        if self.boot_steps:
            return tuple((command, "".join(rest)) for command, *rest in filter(None, self.boot_steps))
        text = "".join(self.boot_command)
        return ((text, ""),) if text else ()


# What `{{ }}` in a boot command may use, beside the values of a running build.
BOOT_FIELDS = ("HTTPIP", "HTTPPort", "Name", "SSHPublicKey")


def check_boot(options: BootOptions) -> Iterable[Problem]:
    """What is wrong or odd in the boot command; it is parsed here, before anything starts."""
    from vmforge.console.boot_command import check_boot_command

    if options.boot_command and options.boot_steps:
        yield Problem("`boot_command` and `boot_steps` are both set", "boot_steps", hint="keep one of them")
    name = "boot_steps" if options.boot_steps else "boot_command"
    for step in options.boot_steps:
        if len(step) not in (1, 2):
            yield Problem("a boot step is a list of the command and its description", "boot_steps")
    for command, _ in options.steps:
        yield from check_late(command, BOOT_FIELDS, name)
        for warning in check_boot_command(command):
            yield Problem(warning, name, warning=True)


def type_boot_steps(
    options: BootOptions, keyboard: Keyboard, context: BuildContext, fields: Mapping[str, object]
) -> None:
    """Type the whole boot command. `fields` are what its `{{ }}` may use."""
    from vmforge.console.boot_command import parse_boot_command
    from vmforge.console.typist import default_key_interval, type_boot_command

    interval = options.boot_key_interval or default_key_interval(os.environ)
    for number, (command, description) in enumerate(options.steps, 1):
        if options.boot_steps:
            context.ui.message(f"boot step {number}: {description or command}")
        parsed = parse_boot_command(context.render(command, fields))
        type_boot_command(parsed, keyboard, key_interval=interval, cancellation=context.cancellation)
        if context.debug and options.boot_steps:
            context.ui.ask(f"Boot step {number} typed. Press Enter to go on.")
