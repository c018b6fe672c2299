"""How a program on this machine (Ansible, InSpec, testinfra) reaches the guest: over the build's own way
to it, or through the SSH adapter."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from vmforge.errors import VmforgeError
from vmforge.sdk import BuildContext, Communicator, Secret
from vmforge.sdk.adapter import AdapterLogin, AdapterSettings, ssh_adapter

_DIRECT = ("ssh", "winrm")
# A guest behind these answers only the communicator itself.
_DETOURS = ("ssh_bastion_host", "ssh_proxy_host")


@dataclass(frozen=True)
class Login:
    """Where and as whom to log in. `transport` is `ssh` or `winrm`, which `uses_tls` or not."""

    transport: str
    host: str
    port: int
    user: str
    key_file: Path | None = None
    password: Secret = field(default_factory=lambda: Secret(""))
    uses_tls: bool = False
    through_adapter: bool = False


@dataclass
class GuestAccess:
    """The way to the guest, open while it is held.

    `use_adapter` None chooses the adapter where the guest cannot be reached directly. `user` replaces
    the one that vmforge logs in as.
    """

    context: BuildContext
    communicator: Communicator
    settings: AdapterSettings
    use_adapter: bool | None = None
    user: str = ""
    _adapter: AbstractContextManager[AdapterLogin] | None = field(default=None, init=False)

    def __enter__(self) -> Login:
        reason = self._why_adapter()
        if not reason:
            return self._direct()
        if self.use_adapter is None:
            self.context.ui.message(f"going through the SSH adapter: {reason}")
        self._adapter = ssh_adapter(self.context, self.communicator, self.settings)
        login = self._adapter.__enter__()
        user = self.user or self.context.data.get("User", "") or "vmforge"
        return Login("ssh", login.host, login.port, user, login.key_file, through_adapter=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._adapter is not None:
            self._adapter.__exit__(kind, error, trace)

    def _why_adapter(self) -> str:
        """Why the adapter is to be used; empty for the direct way."""
        if self.use_adapter is not None:
            return "`use_proxy = true`" if self.use_adapter else ""
        kind, data = self.communicator.kind, self.context.data
        if kind not in _DIRECT:
            return f"the communicator `{kind}` gives no address"
        if kind != "ssh":
            return ""
        for option in _DETOURS:
            if getattr(self.context.connector.config, option, ""):
                return f"the guest is behind `{option}`"
        has_key = data.get("SSHPrivateKeyFile") or data.get("SSHAgentAuth") == "true"
        if not has_key and shutil.which("sshpass") is None:
            return "the guest wants a password, and there is no `sshpass` to give it"
        return ""

    def _direct(self) -> Login:
        data = self.context.data
        if not data.get("Host") or not data.get("Port"):
            hint = "set `use_proxy = true`, which needs no address"
            raise VmforgeError("the guest's address is not known", hint=hint)
        key = data.get("SSHPrivateKeyFile")
        return Login(
            transport=self.communicator.kind,
            host=data["Host"],
            port=int(data["Port"]),
            user=self.user or data.get("User", ""),
            key_file=Path(key).absolute() if key else None,
            uses_tls=bool(getattr(self.context.connector.config, "winrm_use_ssl", False)),
            password=Secret(data.get("Password") or data.get("WinRMPassword") or ""),
        )
