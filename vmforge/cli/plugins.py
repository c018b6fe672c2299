"""`vmforge plugins`: the packages that bring components, whether they work, and a beginning for a new one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.flags import Command, Group
from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from vmforge.cli.plugins_report import Report
    from vmforge.sdk.registry import Claim, Registry

NAME = "plugins"

command = typer.Typer(
    cls=Group,
    help="List, show and check the installed plugins, or begin a new one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@command.command(name="list", cls=Command)
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the packages that bring components, and whether these can be used."""
    from vmforge.cli.plugins_report import as_json as as_json_
    from vmforge.cli.plugins_report import examine
    from vmforge.sdk.registry import Kind, Registry
    from vmforge.sdk.version import SDK_VERSION

    shown: Terminal = context.obj
    registry = Registry()
    plugins = {
        name: [examine(claim, registry) for claim in claims] for name, claims in _plugins(registry).items()
    }
    built_in = {kind.value: registry.built_in(kind) for kind in Kind}
    if as_json:
        listed = [
            {
                "name": name,
                "version": reports[0].claim.version,
                "components": [as_json_(report) for report in reports],
            }
            for name, reports in plugins.items()
        ]
        found = {"sdk_version": SDK_VERSION, "plugins": listed, "built_in": built_in}
        shown.print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if not plugins:
        shown.print("no plugins are installed")
    for reports in plugins.values():
        for line in _plugin_lines(reports):
            shown.print(line)
    shown.print("\nbuilt in")
    for kind, names in built_in.items():
        shown.print(f"  {kind}: {', '.join(names)}")


@command.command(name="show", cls=Command)
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A package, or a component as templates name it.")],
    as_json: AsJson = False,
) -> None:
    """Show a package and its components, or a component, with all options."""
    from vmforge.cli.docs import reference
    from vmforge.cli.plugins_report import as_json as as_json_
    from vmforge.cli.plugins_report import examine
    from vmforge.sdk.registry import Registry

    shown: Terminal = context.obj
    registry = Registry()
    reports = [examine(claim, registry) for claim in _named(name, registry)]
    if as_json:
        found = [as_json_(report) | {"package": _package(report.claim)} for report in reports]
        shown.print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for index, report in enumerate(reports):
        claim, title = report.claim, f": {report.summary}" if report.summary else ""
        shown.print(("\n" if index else "") + f"{claim}{title}")
        shown.print(f"  of {_package(claim)}, {claim.entry.value}{_written_for(report)}")
        for line in _why_not(report):
            shown.print(f"  {line}")
        if report.component is not None:
            for line in reference(report.component.config_type, "  "):
                shown.print(line)


@command.command(name="check", cls=Command)
def check(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="A package, or a component as templates name it.", show_default="all")
    ] = "",
) -> None:
    """Load components, and hold them to their contracts. Exits with 1 when one has faults."""
    from vmforge.cli.plugins_report import examine
    from vmforge.sdk.registry import Registry

    shown: Terminal = context.obj
    registry = Registry()
    claims = _named(name, registry) if name else registry.claims()
    reports = [examine(claim, registry, contracts=True) for claim in claims]
    for report in reports:
        for line in _findings(report):
            shown.print(line)
    faulty = [report for report in reports if report.faults or not report.usable]
    checked = "component" if len(reports) == 1 else "components"
    shown.print(f"{len(reports)} {checked} checked, {len(faulty) or 'none'} with faults")
    if faulty:
        raise typer.Exit(1)


@command.command(name="new", cls=Command)
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What templates are to call it, as in `acme`.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The folder to write, which must not be there.", show_default="./NAME"
        ),
    ] = None,
) -> None:
    """Write a plugin that works, to be changed into your own: a package with a builder, a provisioner, a
    post-processor, a data source, their tests, and a template.

    Never writes over anything that is there.
    """
    from vmforge.cli.plugins_new import write_plugin
    from vmforge.sdk.registry import Registry

    shown: Terminal = context.obj
    folder = output or Path(name)
    for path in write_plugin(name, folder, Registry()):
        shown.print(str(path))
    shown.note(f"install it with: pip install --editable {folder}")


def _plugins(registry: Registry) -> dict[str, list[Claim]]:
    """What is not built in, by the package that brings it."""
    found: dict[str, list[Claim]] = {}
    for claim in registry.claims():
        if not claim.built_in:
            found.setdefault(claim.distribution, []).append(claim)
    return dict(sorted(found.items()))


def _named(name: str, registry: Registry) -> list[Claim]:
    """The components of a package, or those of a name. Raises `UsageError`."""
    from vmforge.diagnostics import did_you_mean

    claims = registry.claims()
    chosen = [c for c in claims if name == c.distribution] or [c for c in claims if name == c.name]
    if not chosen:
        known = {name for claim in claims for name in (claim.distribution, claim.name)}
        hint = did_you_mean(name, known) or "see `vmforge plugins list`"
        raise UsageError(f"no plugin and no component is called `{name}`", hint=hint)
    return chosen


def _package(claim: Claim) -> str:
    return f"{claim.distribution or 'an unknown package'} {claim.version}".rstrip()


def _written_for(report: Report) -> str:
    return f", for SDK {report.sdk_version}" if report.sdk_version else ""


def _plugin_lines(reports: list[Report]) -> Iterator[str]:
    yield _package(reports[0].claim)
    width = max(len(f"{report.claim.kind} {report.claim.name}") for report in reports)
    for report in reports:
        called = f"{report.claim.kind} {report.claim.name}"
        yield f"  {called:{width}}  {'ok' if report.usable else 'cannot be used'}{_written_for(report)}"
        yield from (f"    {line}" for line in _why_not(report))


def _why_not(report: Report) -> Iterable[str]:
    if report.usable:
        return ()
    hint = f"hint: {report.hint}" if report.hint else ""
    return [line for line in (report.reason, report.detail, hint) if line]


def _findings(report: Report) -> Iterator[str]:
    called = f"{report.claim} of {_package(report.claim)}"
    if not report.usable:
        yield f"{called}: cannot be used"
        yield from (f"  {line}" for line in _why_not(report))
    elif report.faults:
        yield f"{called}:"
        yield from (f"  {fault}" for fault in report.faults)
    elif not report.claim.built_in:
        yield f"{called}: ok"
    yield from (f"  warning: {remark}" for remark in report.remarks)
