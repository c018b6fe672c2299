"""The template that a user begins with: whole, commented, and ready to build."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Final

from boot_configs.model import BootConfig
from boot_configs.parameters import Parameter, ParameterType
from boot_configs.rendering import Renderer

_HOME: Final = Path(__file__).parent / "starter_files"
_WIDTH: Final = 100

# What nearly everybody sets, if the system knows it.
_SHOWN: Final = ("hostname", "locale", "timezone")
# What a template sets by other options, or has a default that nobody needs to see.
_LEFT_OUT: Final = frozenset({*_SHOWN, "install_timeout"})


def starter(config: BootConfig, iso: str = "", checksum: str = "") -> str:
    """An HCL template that installs the system. `iso` is the path or URL of its ISO, by default one in the
    folder where vmforge is started; `checksum` as `iso_checksum` has it."""
    rendered = config.render({}, salt="")
    defaults = config.defaults()
    names: dict[str, object] = {
        "config": config,
        "identifier": config.name.replace(".", "-"),
        "iso": _hcl(iso or f"{config.name}.iso"),
        "checksum": _hcl(checksum or "none"),
        "stated": [(name, _hcl(defaults[name])) for name in _SHOWN if name in config.parameters],
        "others": [
            _comment(known, defaults[known.name])
            for known in config.parameters.values()
            if known.name not in _LEFT_OUT and len(known.choices) != 1
        ],
        "machine": [
            (name, _hcl(rendered.options[name]))
            for name in ("cpus", "memory", "disk_size")
            if name in rendered.options
        ],
        "windows": rendered.options.get("communicator") == "winrm",
        "kernel": rendered.kernel is not None,
        "firmwares": [firmware.value for firmware in rendered.boot_command],
        "efi": bool(rendered.options.get("efi_boot")),
    }
    return Renderer((_HOME,), names).file("template.pkr.hcl.j2")


def _comment(parameter: Parameter, default: object) -> list[str]:
    """The lines about a parameter that is not set."""
    choices = f" ({', '.join(parameter.choices)})" if parameter.choices else ""
    lists = parameter.type in (ParameterType.LIST, ParameterType.KEYS)
    value = _hcl(() if default is None and lists else default)
    return [*textwrap.wrap(parameter.help + choices, _WIDTH), f"{parameter.name} = {value}"]


def _hcl(value: object) -> str:
    """A value in HCL; nothing is an empty string or list there."""
    text = json.dumps("" if value is None else value, ensure_ascii=False)
    return text.replace("${", "$${").replace("%{", "%%{")
