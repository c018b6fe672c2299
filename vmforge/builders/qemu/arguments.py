"""The template's `qemuargs`, rendered and put into the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vmforge.builders.qemu.config import QemuConfig
from vmforge.errors import VmforgeError
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.qemuargs import translate
from vmforge.sdk import BuildContext


def wants_host_port(config: QemuConfig) -> bool:
    """Whether the template brings its own forward, and wants to know from which port of this machine."""
    return any("SSHHostPort" in part for entry in config.qemuargs for part in entry)


def with_qemuargs(
    spec: DomainSpec, config: QemuConfig, context: BuildContext, fields: Mapping[str, object]
) -> DomainSpec:
    """The machine with the user's arguments in it; `fields` are what their `{{ }}` may use."""
    rendered = [[context.render(part, fields) for part in entry] for entry in config.qemuargs]
    try:
        translation = translate(spec, rendered)
    except ValueError as error:
        raise VmforgeError(f"`qemuargs`: {error}") from None
    for warning in translation.warnings:
        context.ui.warn(f"`qemuargs`: {warning}")
    wanted = translation.spec.accel
    if wanted != spec.accel:
        # looking at this machine has decided, which a template cannot do; the option overrules it
        hint = "" if config.accelerator else f"; `--set accelerator={wanted}` insists on it"
        context.ui.warn(f"`qemuargs` ask for `{wanted}`, but the machine runs with `{spec.accel}`{hint}")
    return replace(translation.spec, accel=spec.accel)
