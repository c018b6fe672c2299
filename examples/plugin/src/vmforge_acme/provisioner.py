"""The `acme` provisioner: leaves a message of the day in the image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

from vmforge.errors import CommandFailed
from vmforge.sdk import BuildContext, Config, Machine, Problem, Provisioner, option


@dataclass(frozen=True, kw_only=True)
class AcmeConfig(Config):
    """The options of `provisioner "acme"`."""

    message: str = option(help="What the message says.")
    path: str = option("etc/motd", help="The file of the message in the image; its folder must exist.")


class AcmeProvisioner(Provisioner[AcmeConfig]):
    config_type = AcmeConfig
    summary = "leaves a message of the day in the image"
    sdk_version = "1.0"

    @classmethod
    def check(cls, config: AcmeConfig) -> Iterable[Problem]:
        if not config.message.strip():
            yield Problem("the message is empty", option="message")

    @property
    def cacheable(self) -> bool:
        """The options alone decide what it does to the guest, so a layer can stand in for it."""
        return True

    def provision(self, context: BuildContext, machine: Machine) -> None:
        lines: list[str] = []
        status = machine.communicator.run("uname -sm", lambda line, is_error: lines.append(line))
        if status != 0:
            raise CommandFailed("the guest does not say what it is", status=status)
        text = "\n".join([self.config.message, *lines, ""])
        machine.communicator.upload(BytesIO(text.encode()), self.config.path, mode=0o644)
        context.ui.message(f"the message of the day is in `{self.config.path}`")
