"""The `breakpoint` provisioner: stops the build until the user says to go on."""

from __future__ import annotations

from dataclasses import dataclass

from vmforge.sdk import BuildContext, Config, Machine, Provisioner, option


@dataclass(frozen=True, kw_only=True)
class BreakpointConfig(Config):
    """The options of the `breakpoint` provisioner."""

    note: str = option("", help="What to tell the user.", affects_image=False)
    disable: bool = option(False, help="Do not stop.", affects_image=False)


class BreakpointProvisioner(Provisioner[BreakpointConfig]):
    """Stops the build, for a look at the guest. A layer after it is as good as the one before it, so a build
    that goes on behind it does not stop there."""

    config_type = BreakpointConfig
    summary = "stops the build until the user says to go on"

    @property
    def cacheable(self) -> bool:
        return True

    def provision(self, context: BuildContext, machine: Machine) -> None:
        note = f" `{self.config.note}`" if self.config.note else ""
        if self.config.disable:
            context.ui.message(f"breakpoint{note} is disabled")
            return
        where = context.data.get("Host", "")
        if where:
            user = f"{context.data['User']}@" if context.data.get("User") else ""
            context.ui.message(f"the guest is {user}{where}, port {context.data.get('Port', '')}")
        context.ui.ask(f"Paused at breakpoint{note}. Press Enter to go on.")
        context.cancellation.check()
