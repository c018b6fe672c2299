"""What this machine serves to the guest: answer files, and packages out of the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmforge.builders.answer_files import AnswerFileServer
from vmforge.builders.answer_texts import validate_answers
from vmforge.builders.boot_config import Installation, served_answers, serves
from vmforge.builders.installing.contract import HostAddress
from vmforge.builders.installing.options import InstallOptions
from vmforge.builders.package_proxy import ServedPackages
from vmforge.sdk import BuildContext

_NOWHERE = HostAddress("127.0.0.1", "")


@dataclass
class Services:
    """The servers of a build, as its steps. `address` finds out where the guest reaches this machine; `name`
    is the machine's."""

    config: InstallOptions
    installation: Installation
    context: BuildContext
    name: str
    address: Callable[[], HostAddress]

    def start(self) -> None:
        """Serve what there is to serve until the build ends, and put into the build's data where that is.
        Answer files that their system's validator refuses end the build here."""
        more = serves(self.installation)
        # where nothing is served the hypervisor is not asked: it may have no network towards this machine
        needed = self.context.packages is not None or self.config.serves or more
        where = self._where() if needed else _NOWHERE
        packages = ServedPackages(self.context, where.listen, where.seen_by_guest)
        enter = self.context.steps.enter
        self.context.data["PackageProxy"] = enter("Serving the package cache", packages, quiet=True)
        server = AnswerFileServer(self.config, self.context, where.listen, more)
        port = enter("Serving the answer files", server, quiet=True)
        self._tell_where(where.seen_by_guest, port)
        fields = self.fields()
        validate_answers(self.config, self.installation, self.context, fields)
        server.offer(served_answers(self.installation, self.context, fields))

    def fields(self) -> dict[str, object]:
        """What `{{ }}` in the boot command and in answer files may use."""
        data = self.context.data
        known = {name: data.get(name, "") for name in ("SSHPublicKey", "PackageProxy")}
        return {
            "HTTPIP": data["PackerHTTPIP"],
            "HTTPPort": data["PackerHTTPPort"],
            "Name": self.name,
            **known,
        }

    def _where(self) -> HostAddress:
        own = self.config.address_for_guest("")
        return HostAddress(own, own) if own else self.address()

    def _tell_where(self, ip: str, port: int) -> None:
        address = f"{ip}:{port}" if port else ""
        self.context.data.update(PackerHTTPIP=ip, PackerHTTPPort=str(port), PackerHTTPAddr=address)
