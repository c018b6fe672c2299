"""Renders the `{{ }}` in the strings of a template: Go's language with Packer's functions and fields."""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from vmforge.diagnostics import did_you_mean
from vmforge.sdk.compatibility import PACKER_VERSION
from vmforge.sdk.golayout import RFC3339, format_time
from vmforge.sdk.gotemplate import Function, check, fill_in, render
from vmforge.sdk.values import Duration, Secret, Size

# The values of a running build that every builder gives; a builder may give more.
BUILD_VALUES: Final = (
    "ID",
    "Host",
    "Port",
    "User",
    "Password",
    "ConnType",
    "PackerRunUUID",
    "PackerHTTPAddr",
    "PackerHTTPIP",
    "PackerHTTPPort",
    "PackageProxy",
    "SSHPublicKey",
    "SSHPrivateKey",
    "WinRMPassword",
)


@dataclass(frozen=True)
class Interpolator:
    """A template engine with its surroundings: functions by name, and the fields of `{{ .Name }}`."""

    functions: Mapping[str, Function] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)

    def with_fields(self, fields: Mapping[str, object]) -> Interpolator:
        """The same engine with more fields; they win over fields of the same name."""
        return dataclasses.replace(self, fields={**self.fields, **fields})

    def with_functions(self, functions: Mapping[str, Function]) -> Interpolator:
        """The same engine with more functions, see `gotemplate.Function`."""
        return dataclasses.replace(self, functions={**self.functions, **functions})

    def with_build_data(self, data: Mapping[str, object]) -> Interpolator:
        """The same engine for a running build, whose values ``{{ build `ID` }}`` reads."""
        return self.with_functions({"build": partial(_named, "build value", data)})

    def render(self, text: str) -> str:
        """The text with its `{{ }}` replaced. Raises ValueError with a message for the user."""
        if "{{" not in text:
            return text
        fields = {name: _plain(value) for name, value in self.fields.items()}
        return render(text, fields, self.functions)

    def fill_in(self, text: str) -> str:
        """The text with the values of variables in place of ``{{ user `x` }}``; the rest is left for when
        a component renders it. So a variable can hold `{{ .HTTPIP }}`, as in Packer since 1.5.2.
        Raises ValueError."""
        return fill_in(text, "user", lambda name: str(self.functions["user"](name)))

    def check(self, text: str) -> None:
        """Raise ValueError for a text that `render` could never render, whatever the fields' values."""
        check(text, self.fields.keys(), self.functions.keys())


def interpolator(
    *,
    started: datetime | None = None,
    template_dir: Path | None = None,
    build_name: str = "",
    build_type: str = "",
    variables: Mapping[str, object] | None = None,
    build: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Interpolator:
    """The engine with Packer's functions.

    `started` is when the process started, in UTC: every time function says this moment. `variables`
    are what ``{{ user `x` }}`` reads. Without `build`, the data of a running build, ``{{ build `ID` }}``
    becomes itself again, to be rendered when the build runs. `environment` is given only where the
    language allows `env`: in defaults of variables.
    """
    moment = started or datetime.now(UTC)
    functions: dict[str, Function] = {
        **_texts(),
        **_times(moment),
        **dict.fromkeys(_EXTERNAL, _misplaced),
        "uuid": lambda: str(uuid.uuid4()),
        "pwd": lambda: str(Path.cwd()),
        "template_dir": lambda: str((template_dir or Path.cwd()).absolute()),
        "packer_version": lambda: PACKER_VERSION,
        "build_name": lambda: build_name,
        "build_type": lambda: build_type,
        "user": partial(_named, "variable", variables or {}),
        "env": _misplaced if environment is None else partial(_environment, environment),
        "build": _build_later,
    }
    engine = Interpolator(functions)
    return engine if build is None else engine.with_build_data(build)


# They read from servers, which the template's loader does for the defaults of variables.
_EXTERNAL = ("consul_key", "vault", "aws_secretsmanager", "aws_secretsmanager_raw")


def _times(moment: datetime) -> dict[str, Function]:
    def isotime(layout: str = RFC3339) -> str:
        return format_time(moment, layout)

    def strftime(format: str) -> str:
        return moment.strftime(format)

    return {"timestamp": lambda: str(int(moment.timestamp())), "isotime": isotime, "strftime": strftime}


def _texts() -> dict[str, Function]:
    names = ("clean_resource_name", "clean_ami_name", "clean_image_name")
    return {
        "lower": _lower,
        "upper": _upper,
        "split": _split,
        "replace": _replace,
        "replace_all": _replace_all,
        "sed": _sed,
        **dict.fromkeys(names, _clean_resource_name),
    }


def _lower(text: str) -> str:
    return text.lower()


def _upper(text: str) -> str:
    return text.upper()


def _split(text: str, separator: str, index: int) -> str:
    parts = text.split(separator) if separator else list(text)
    if not 0 <= index < len(parts):
        raise ValueError(f"there is no part {index}: `{text}` has {len(parts)}, counted from 0")
    return parts[index]


def _replace(old: str, new: str, count: int, text: str) -> str:
    return text.replace(old, new, count)


def _replace_all(old: str, new: str, text: str) -> str:
    return text.replace(old, new)


def _sed(*arguments: object) -> str:
    raise ValueError("no longer exists; use `replace` or `replace_all`")


def _clean_resource_name(text: str) -> str:
    """A name that every cloud accepts; a builder with other rules brings its own function."""
    return re.sub(r"[^A-Za-z0-9-]", "-", text)


def _named(kind: str, values: Mapping[str, object], name: str) -> object:
    if name not in values:
        near = did_you_mean(name, values)
        raise ValueError(f"there is no {kind} `{name}`" + (f"; {near}" if near else ""))
    return _plain(values[name])


def _environment(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name, "")


def _build_later(name: str) -> str:
    return f"{{{{ build `{name}` }}}}"


def _misplaced(*arguments: object) -> str:
    raise ValueError("works only in the default of a variable; read it there and use the variable here")


def _plain(value: object) -> object:
    """A value as the language knows it: sizes, paths and secrets are texts there."""
    if isinstance(value, Secret):
        return value.value
    return str(value) if isinstance(value, (Path, Size, Duration)) else value
