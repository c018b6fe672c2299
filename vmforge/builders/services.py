"""What this machine serves to the guest: answer files, and packages out of the cache."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vmforge.builders.answer_files import AnswerFileOptions, AnswerFileServer
from vmforge.builders.answer_texts import AnsweredSource, validate_answers
from vmforge.builders.boot_config import Installation, served_answers, serves
from vmforge.builders.package_proxy import ServedPackages
from vmforge.sdk import BuildContext

Options = TypeVar("Options", bound=AnswerFileOptions)


@dataclass(frozen=True, slots=True)
class HostAddress:
    """Where this machine listens for the guest, and what the guest calls that."""

    listen: str
    seen_by_guest: str


@dataclass
class Services(ABC, Generic[Options]):
    """The servers of a build, as its steps; `name` is the machine's, which `goes_on` from a layer or not."""

    config: Options
    installation: Installation
    context: BuildContext
    name: str
    goes_on: bool = False
    answer_files: AnswerFileServer = field(init=False)

    @property
    @abstractmethod
    def source(self) -> AnsweredSource:
        """The `config`, as what answer files stand in."""

    @abstractmethod
    def address(self, *, needed: bool) -> HostAddress:
        """Where the guest reaches this machine. Unless it is `needed`, nobody is asked for it: there may be
        no network towards this machine."""

    def serves(self) -> bool:
        """Whether `served` will have something to serve."""
        return self.config.serves

    def served(self) -> Options:
        """The options with all that is to be served; asked once `known_fields` are known."""
        return self.config

    def start(self) -> None:
        """Serve what there is to serve until the build ends, and put into the build's data where that is.
        Answer files that their system's validator refuses end the build here."""
        own, enter = self.config.address_for_guest(""), self.context.steps.enter
        more = serves(self.installation)
        needed = self.context.packages is not None or self.serves() or more
        where = HostAddress(own, own) if own else self.address(needed=needed)
        packages = ServedPackages(self.context, where.listen, where.seen_by_guest, self.goes_on)
        self.context.data["PackageProxy"] = enter("Serving the package cache", packages, quiet=True)
        self.answer_files = AnswerFileServer(self.served(), self.context, where.listen, more)
        port = enter("Serving the answer files", self.answer_files, quiet=True)
        self._tell_where(where.seen_by_guest, port)
        fields = self.fields()
        validate_answers(self.source, self.installation, self.context, fields)
        self.answer_files.offer(served_answers(self.installation, self.context, fields))

    def fields(self) -> dict[str, object]:
        """What `{{ }}` in the boot command and in answer files may use."""
        data = self.context.data
        return {"HTTPIP": data["PackerHTTPIP"], "HTTPPort": data["PackerHTTPPort"], **self.known_fields()}

    def known_fields(self) -> dict[str, object]:
        """Those of them that are known before the answer files are served."""
        known = {name: self.context.data.get(name, "") for name in ("SSHPublicKey", "PackageProxy")}
        return {"Name": self.name, **known}

    def _tell_where(self, ip: str, port: int) -> None:
        address = f"{ip}:{port}" if port else ""
        self.context.data.update(PackerHTTPIP=ip, PackerHTTPPort=str(port), PackerHTTPAddr=address)
