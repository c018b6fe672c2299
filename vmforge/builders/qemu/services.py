"""What this machine serves to the guest: answer files, and packages out of the cache."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from vmforge.builders.answer_files import AnswerFileServer
from vmforge.builders.answer_texts import validate_answers
from vmforge.builders.boot_config import Installation, served_answers, serves
from vmforge.builders.cloud_init import served_seed
from vmforge.builders.package_proxy import ServedPackages
from vmforge.builders.qemu.config import QemuConfig
from vmforge.hypervisor.network import bridge_host_address
from vmforge.sdk import BuildContext

# Where a guest on QEMU's user network finds the host, which sees it come from its own loopback.
_USER_NETWORK_HOST, _LOOPBACK = "10.0.2.2", "127.0.0.1"


@dataclass
class Services:
    """The servers of a build, as its steps; `name` is the machine's."""

    config: QemuConfig
    installation: Installation
    context: BuildContext
    name: str
    answer_files: AnswerFileServer = field(init=False)

    def start(self) -> None:
        """Serve what there is to serve until the build ends, and put into the build's data where that is.
        Answer files that their system's validator refuses end the build here."""
        self._serve_packages()
        self._serve_answer_files()

    def fields(self) -> dict[str, object]:
        """What `{{ }}` in the boot command and in answer files may use."""
        data = self.context.data
        return {"HTTPIP": data["PackerHTTPIP"], "HTTPPort": data["PackerHTTPPort"], **self._known_fields()}

    def _known_fields(self) -> dict[str, object]:
        """Those of them that are known before the answer files are served."""
        known = {name: self.context.data.get(name, "") for name in ("SSHPublicKey", "PackageProxy")}
        return {"Name": self.name, **known}

    def _serve_packages(self) -> None:
        bound = self.config.address_for_guest("")
        host, ip = (bound, bound) if bound else self._addresses(needed=self.context.packages is not None)
        packages = ServedPackages(self.context, host, ip)
        self.context.data["PackageProxy"] = self.context.steps.enter(
            "Serving the package cache", packages, quiet=True
        )

    def _serve_answer_files(self) -> None:
        seed = served_seed(self.config, self.context, self._known_fields())
        served = replace(self.config, http_content={**self.config.http_content, **seed})
        more = serves(self.installation)
        host, ip = self._addresses(needed=served.serves or more)
        self.answer_files = AnswerFileServer(served, self.context, host, more)
        port = self.context.steps.enter("Serving the answer files", self.answer_files, quiet=True)
        self._tell_where(self.config.address_for_guest(ip), port)
        fields = self.fields()
        validate_answers(self.config, self.installation, self.context, fields)
        self.answer_files.offer(served_answers(self.installation, self.context, fields))

    def _addresses(self, *, needed: bool) -> tuple[str, str]:
        """This machine's address towards the guest, and the guest's name for it. Unless it is `needed`, a
        bridge is not asked for its address, which it may lack."""
        if needed and self.config.net_bridge:
            host = bridge_host_address(self.config.net_bridge)
            return host, host
        return _LOOPBACK, _USER_NETWORK_HOST

    def _tell_where(self, ip: str, port: int) -> None:
        address = f"{ip}:{port}" if port else ""
        self.context.data.update(PackerHTTPIP=ip, PackerHTTPPort=str(port), PackerHTTPAddr=address)
