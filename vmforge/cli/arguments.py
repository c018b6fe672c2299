"""Packer's way of writing flags, made ordinary: `-var x=y`, `-color=false`, `-machine-readable` anywhere.

Packer uses Go's `flag` package (https://pkg.go.dev/flag#hdr-Command_line_flag_syntax): one dash or
two, a value after `=` also for booleans.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# Flags that take no value, and so may carry `=true` or `=false`.
_BOOLEANS = frozenset(
    {
        "check",
        "color",
        "debug",
        "diff",
        "evaluate-datasources",
        "explain",
        "force",
        "ignore-prerelease-plugins",
        "json",
        "list",
        "machine-readable",
        "no-cache",
        "no-lock",
        "no-warn-undeclared-var",
        "offline",
        "recursive",
        "resume",
        "skip-enforcement",
        "syntax-only",
        "timestamp-ui",
        "upgrade",
        "use-sequential-evaluation",
        "validate",
        "warn-on-undeclared-var",
        "with-annotations",
        "write",
        "yes",
    }
)
# Those of them that are on, or may be on, unless switched off; for the others `=false` says nothing.
_SWITCHED_OFF = frozenset({"color", "validate", "warn-on-undeclared-var", "write"})
_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})
MACHINE_READABLE = "--machine-readable"


def normalise(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments in two-dash form, and whether `-machine-readable` was among them (it is global:
    it may stand anywhere, and is taken out)."""
    plain = list(_two_dashes(arguments))
    return [a for a in plain if a != MACHINE_READABLE], MACHINE_READABLE in plain


def _two_dashes(arguments: Sequence[str]) -> Iterator[str]:
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            yield argument
            yield from rest
            return
        yield from _flag(argument)


def _flag(argument: str) -> Iterator[str]:
    name, equals, value = argument.lstrip("-").partition("=")
    if not argument.startswith("-") or len(name) < 2 or not name[0].isalpha():
        yield argument
    elif name not in _BOOLEANS:
        yield f"--{name}{equals}{value}"
    elif not equals or value.lower() in _TRUE:
        yield f"--{name}"
    elif value.lower() in _FALSE:
        yield from [f"--no-{name}"] if name in _SWITCHED_OFF else []
    else:
        yield f"--{name}={value}"
