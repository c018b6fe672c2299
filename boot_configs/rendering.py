"""The texts of an installation, rendered from templates: answer files, boot commands, options.

Templates are Jinja's with delimiters of ERB's, because boot commands and answer files are full of `{{ }}`
(which vmforge fills in when the build runs) and shell scripts of `<<` and `[[`:

    <%= p.hostname %>      an expression
    <% if p.proxy %>       a statement; alone on a line it leaves no line
    <%# ... %>             a comment

A name that is not there is an error, never an empty text. In files whose name ends in `.xml.j2` expressions
are escaped for XML; elsewhere the template says how (`| yaml`, `| json`, `| sh`, `| kickstart`, `| preseed`,
`| grub`, `| typed`).
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import jinja2


# What YAML takes in a text only when it is written by its number.
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class Delivery(StrEnum):
    """How the installer gets its answer files: over HTTP, or on a medium made for the build."""

    HTTP = "http"
    CD = "cd"
    FLOPPY = "floppy"


class Firmware(StrEnum):
    BIOS = "bios"
    UEFI = "uefi"


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """An answer file. `path` begins with a slash when served, and is a name on a disc or floppy; `kind` says
    whose format it is (`preseed`, `autoinstall`, `kickstart`, ...), `dialect` which version of it."""

    path: str
    text: str
    kind: str
    delivery: Delivery = Delivery.HTTP
    dialect: str = ""


@dataclass(frozen=True, slots=True)
class KernelBoot:
    """What `boot_method = "kernel"` starts; empty paths are those that vmforge finds in the ISO by itself."""

    cmdline: str
    kernel: str = ""
    initrd: str = ""


@dataclass(frozen=True)
class Rendered:
    """All that an installation needs. `{{ .HTTPIP }}`, `{{ .HTTPPort }}`, `{{ .Name }}` and
    `{{ .SSHPublicKey }}` in the texts stand for what is known only when the build runs.

    `boot_command` is what to type with either firmware; `unlock` what to type when the installed system asks
    for its disk's passphrase, else empty. `kernel` is None for an installer that is no kernel. `options` are
    options of the source by name. `label` is that of the disc or floppy. `secrets` must not be shown.
    """

    answer_files: tuple[RenderedFile, ...]
    delivery: Delivery
    label: str
    boot_command: Mapping[Firmware, tuple[str, ...]]
    kernel: KernelBoot | None
    unlock: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()


class Renderer:
    """Renders the texts of one system: `folders` are where its templates are looked for, `names` what all of
    them may use."""

    def __init__(self, folders: Sequence[Path], names: Mapping[str, object]) -> None:
        self._environment = _environment(folders)
        self._names = names

    def text(self, source: str, **more: object) -> str:
        """Render a text."""
        if "<%" not in source:
            return source
        return self._environment.from_string(source).render({**self._names, **more})

    def file(self, name: str, **more: object) -> str:
        """Render a template file."""
        return self._environment.get_template(name).render({**self._names, **more})

    def value(self, source: object, **more: object) -> object:
        """Render every string in a value."""
        if isinstance(source, str):
            return self.text(source, **more)
        if isinstance(source, Mapping):
            return {key: self.value(item, **more) for key, item in source.items()}
        if isinstance(source, (list, tuple)):
            return [self.value(item, **more) for item in source]
        return source


def _environment(folders: Sequence[Path]) -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<%=",
        variable_end_string="%>",
        comment_start_string="<%#",
        comment_end_string="%>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
        autoescape=lambda name: name is not None and name.endswith(".xml.j2"),
    )
    environment.filters |= {
        "yaml": _json,  # every JSON text is YAML
        "json": _json,
        "sh": _shell,
        "kickstart": _shell,
        "preseed": _preseed,
        "grub": _grub,
        "typed": _typed,
        "base64": _base64,
        "utf16_base64": _utf16_base64,
    }
    return environment


def _json(value: object) -> str:
    """JSON on one line. Sizes and URLs count as the strings they write themselves as."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _shell(value: object) -> str:
    """One word of a shell's, or of a kickstart file, which pykickstart splits with shlex."""
    return shlex.quote(str(value))


def _preseed(value: object) -> str:
    """The value of a preseed line, which ends at the line's end and is taken as it is."""
    text = str(value)
    if "\n" in text:
        raise ValueError("a preseed value is one line")
    # a backslash at the end would join the next line to this one
    return text + " " if text.endswith("\\") else text


def _grub(value: object) -> str:
    """An argument on GRUB's `linux` line, where `;` would end the command."""
    return "".join(_grub_escaped(str(value)))


def _grub_escaped(text: str) -> Iterator[str]:
    for character in text:
        yield f"\\{character}" if character in ";&|$\\\"'<>" else character


def _typed(value: object) -> str:
    """A text inside a boot command that is typed as it is: no token begins in it, and no `{{ }}`."""
    return str(value).replace("<", "<<wait1ms>").replace("{{", '{{ "{{" }}')


def _base64(value: object) -> str:
    return base64.b64encode(str(value).encode()).decode()


def _utf16_base64(value: object) -> str:
    """As Windows encodes passwords in answer files, and PowerShell its `-EncodedCommand`."""
    return base64.b64encode(str(value).encode("utf-16-le")).decode()
