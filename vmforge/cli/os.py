"""`vmforge os`: the systems that can be installed from one line of a template."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.flags import Command, Group
from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from boot_configs import BootConfig, Parameter

NAME = "os"
_WIDTH = 100

command = typer.Typer(
    cls=Group,
    help="List the systems that `boot_config` knows, and what their installers can be told.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def find_config(name: str) -> BootConfig:
    """The boot config of that name. Raises `UsageError`."""
    import boot_configs

    try:
        return boot_configs.load(name)
    except boot_configs.UnknownName as error:
        raise UsageError(str(error), hint=error.hint) from None


@command.command(name="list", cls=Command)
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the systems."""
    import boot_configs

    shown: Terminal = context.obj
    configs = [boot_configs.load(name) for name in boot_configs.names()]
    if as_json:
        shown.print(json.dumps([_about(config) for config in configs], indent=2))
        return
    width = max(len(config.name) for config in configs)
    for config in configs:
        shown.print(f"{config.name:{width}}  {config.title}")


@command.command(name="show", cls=Command)
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The system, as `vmforge os list` names it, or an alias.")],
    as_json: AsJson = False,
) -> None:
    """Show a system: where its ISO is, how it is started, what its installer can be told."""
    shown: Terminal = context.obj
    config = find_config(name)
    if as_json:
        shown.print(json.dumps(_as_json(config), indent=2, ensure_ascii=False))
        return
    for line in _text(config):
        shown.print(line)


def _about(config: BootConfig) -> dict[str, object]:
    return {
        "name": config.name,
        "title": config.title,
        "family": config.family,
        "version": config.version,
        "codename": config.codename,
        "aliases": list(config.aliases),
    }


def _as_json(config: BootConfig) -> dict[str, object]:
    defaults = config.defaults()
    rendered = config.render({}, salt="")
    return {
        **_about(config),
        "guest_os": config.guest_os,
        "firmware": [firmware.value for firmware in rendered.boot_command],
        "kernel_boot": rendered.kernel is not None,
        "deliveries": [delivery.value for delivery in config.deliveries],
        "answer_files": [{"path": file.path, "kind": file.kind} for file in rendered.answer_files],
        "options": dict(rendered.options),
        "parameters": {
            name: {
                "type": known.type.value,
                "default": defaults[name],
                "choices": list(known.choices),
                "secret": known.secret,
                "help": known.help,
            }
            for name, known in config.parameters.items()
        },
        "iso": {
            "page": config.iso.page,
            "file": config.iso.file,
            "volume_id": list(config.iso.volume_id),
            "info": list(config.iso.info),
        },
    }


def _text(config: BootConfig) -> Iterator[str]:
    rendered = config.render({}, salt="")
    yield f"{config.name}: {config.title}"
    if config.aliases:
        yield f"  also called   {', '.join(config.aliases)}"
    if config.iso.page:
        yield f"  ISO           {config.iso.file} from {config.iso.page}"
    firmwares = ", ".join(firmware.value.upper() for firmware in rendered.boot_command)
    kernel = '; without typing by `boot_method = "kernel"`' if rendered.kernel is not None else ""
    yield f"  starts with   {firmwares or 'its kernel alone'}{kernel}"
    files = ", ".join(file.path for file in rendered.answer_files)
    yield f"  answer files  {files} ({', '.join(config.deliveries)})"
    options = ", ".join(f"{name} = {_written(value)}" for name, value in rendered.options.items())
    yield from _wrapped(f"supplies      {options}", "  ", " " * 16)
    yield ""
    yield "boot_params:"
    defaults = config.defaults()
    for name, known in config.parameters.items():
        yield from _parameter(known, defaults[name])


def _parameter(parameter: Parameter, default: object) -> Iterator[str]:
    kind = "one of " + ", ".join(parameter.choices) if parameter.choices else parameter.type.value
    given = "" if default in (None, "", []) else f", default {_written(default)}"
    yield f"  {parameter.name} ({kind}{given})"
    yield from _wrapped(parameter.help, " " * 6, " " * 6)


def _wrapped(text: str, first: str, further: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
