"""Boot commands: the options, and typing them into the machine's console."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from vmforge.sdk import BuildContext, Config, Duration, Problem, option
from vmforge.sdk.late import check_late

if TYPE_CHECKING:
    from vmforge.console.boot_command import BootCommand
    from vmforge.console.keys import Keyboard
    from vmforge.console.sight import Sight


class BootWait(StrEnum):
    """Waits that are no span of time."""

    AUTO = "auto"


class BootMode(StrEnum):
    EXACT = "exact"
    ADAPTIVE = "adaptive"


@dataclass(frozen=True, kw_only=True)
class BootOptions(Config):
    """Options of every builder that types at a boot prompt."""

    boot_command: tuple[str, ...] = option(
        (),
        late=True,
        help="What to type once the machine has started; the parts are joined as they are. "
        "`<enter>`, `<wait5>`, `<leftCtrlOn>` and the like stand for keys and pauses, "
        '`<wait "text" 10m>`, `<waitStill 2s>` and `<waitImage "file.png">` for what the screen shows.',
    )
    boot_steps: tuple[tuple[str, ...], ...] = option(
        (), late=True, help="The same in steps: a list of [command, description]."
    )
    boot_wait: Duration | BootWait = option(
        Duration(10),
        help="How long to wait after the start before typing; negative means not at all, `auto` until the "
        "screen stands still with a text that is not the firmware's.",
        affects_image=False,
    )
    boot_mode: BootMode = option(
        BootMode.EXACT,
        help="`adaptive` ends `boot_wait` early, as soon as `auto` would.",
        affects_image=False,
    )
    keyboard_layout: str = option(
        "us", help="The layout of the guest's keyboard while the boot command is typed, as in `de`."
    )
    boot_key_interval: Duration | None = option(
        None,
        help="The pause after each key event. Left out, keys come as fast as the guest shows them, and every "
        "100 ms where it shows none.",
        default_text="`PACKER_KEY_INTERVAL`, or as fast as the guest",
        affects_image=False,
    )
    boot_keygroup_interval: Duration | None = option(
        None,
        help="The pause after each group of keys where they are not typed over VNC; it has no effect "
        "over VNC.",
        default_text="100 ms",
        affects_image=False,
    )

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """What to type, as (command, description) pairs."""
        if self.boot_steps:
            return tuple((command, "".join(rest)) for command, *rest in filter(None, self.boot_steps))
        text = "".join(self.boot_command)
        return ((text, ""),) if text else ()


# What `{{ }}` in a boot command may use, beside the values of a running build.
BOOT_FIELDS = ("HTTPIP", "HTTPPort", "Name", "SSHPublicKey", "PackageProxy")


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
        parsed = check_boot_command(command)
        for error in parsed.errors:
            yield Problem(error, name)
        for warning in parsed.warnings:
            yield Problem(warning, name, warning=True)
        yield from _check_layout(options.keyboard_layout, parsed, name)


def check_unseen(options: BootOptions) -> Iterable[Problem]:
    """What cannot be done on a machine whose screen cannot be seen."""
    from vmforge.console.boot_command import check_boot_command

    hint = "leave `disable_vnc` out"
    if options.boot_wait is BootWait.AUTO:
        yield Problem("`disable_vnc` leaves no screen to wait for", "boot_wait", hint=hint)
    if any(check_boot_command(command).watches for command, _ in options.steps):
        name = "boot_steps" if options.boot_steps else "boot_command"
        yield Problem("`disable_vnc` leaves no screen to wait for", name, hint=hint)


def _check_layout(layout: str, command: BootCommand, name: str) -> Iterable[Problem]:
    from vmforge.console import layouts

    if layout not in layouts.names():
        hint = layouts.suggestion(layout)
        yield Problem(f"there is no keyboard layout `{layout}`", "keyboard_layout", hint=hint)
        return
    missing = layouts.load(layout).missing(command.characters)
    if missing:
        shown = ", ".join(f"`{character}`" for character in missing)
        yield Problem(f"the keyboard layout `{layout}` has no key for {shown}", name, warning=True)


def type_boot_steps(
    options: BootOptions,
    keyboard: Keyboard,
    context: BuildContext,
    fields: Mapping[str, object],
    sight: Sight | None = None,
) -> None:
    """Type the whole boot command. `fields` are what its `{{ }}` may use; with `sight` of the screen the pace
    is the guest's, unless one is set."""
    from vmforge.console.adaptive import AdaptiveTypist
    from vmforge.console.boot_command import parse_boot_command
    from vmforge.console.keys import PacedKeyboard
    from vmforge.console.layouts import load
    from vmforge.console.typist import DEFAULT_KEY_INTERVAL, Typist, key_interval

    interval = options.boot_key_interval or key_interval(os.environ)
    if isinstance(keyboard, PacedKeyboard):
        interval = Duration(0)
    typist = Typist(
        keyboard,
        context.cancellation,
        interval or DEFAULT_KEY_INTERVAL,
        load(options.keyboard_layout),
        sight,
        context.template_dir,
    )
    adaptive = AdaptiveTypist(typist, sight) if sight is not None and interval is None else typist
    for number, (command, description) in enumerate(options.steps, 1):
        if options.boot_steps:
            context.ui.message(f"boot step {number}: {description or command}")
        parsed = parse_boot_command(context.render(command, fields))
        adaptive.type(parsed)
        if context.debug and options.boot_steps:
            context.ui.ask(f"Boot step {number} typed. Press Enter to go on.")
