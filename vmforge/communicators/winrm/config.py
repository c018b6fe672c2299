"""The options of `communicator = "winrm"`, and what can be said about them without a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmforge.sdk import Config, Duration, Problem, Secret, option

_PLAIN_PORT, _TLS_PORT = 5985, 5986


@dataclass(frozen=True, kw_only=True)
class WinRmConfig(Config):
    """All options of the WinRM communicator."""

    winrm_username: str = option(help="The user to log in as.")
    winrm_password: Secret = option(Secret(""), help="The user's password.", affects_image=False)
    winrm_host: str = option(
        "", help="The guest's address; without it the builder finds it.", affects_image=False
    )
    winrm_port: int = option(
        0,
        help="The port of the WinRM service in the guest.",
        default_text="5985; 5986 with `winrm_use_ssl`",
        affects_image=False,
    )
    winrm_timeout: Duration = option(
        Duration(1800), help="How long to wait until the guest lets the user in.", affects_image=False
    )
    winrm_use_ssl: bool = option(False, help="Talk HTTPS.", affects_image=False)
    winrm_insecure: bool = option(
        False, help="With HTTPS: accept any certificate; guests mostly make their own.", affects_image=False
    )
    winrm_use_ntlm: bool = option(
        False,
        help="Log in with NTLM, which also encrypts what HTTP carries; without it Basic is used.",
        affects_image=False,
    )
    winrm_no_proxy: bool = option(
        False, help="Do not use the proxy that the environment names (`http_proxy`).", affects_image=False
    )
    pause_before_connecting: Duration = option(
        Duration(0),
        help="Once the guest lets the user in, wait so long and connect anew.",
        affects_image=False,
    )

    @property
    def port(self) -> int:
        return self.winrm_port or (_TLS_PORT if self.winrm_use_ssl else _PLAIN_PORT)


def problems(config: WinRmConfig) -> Iterator[Problem]:
    """Everything that is wrong with a configuration, judged by its values."""
    if not config.winrm_username:
        hint = "name the user that the guest knows"
        yield Problem("`winrm_username` is empty", "winrm_username", hint=hint)
    if not 0 <= config.winrm_port < 65536:
        yield Problem(f"`winrm_port` is {config.winrm_port}, and ports go from 1 to 65535", "winrm_port")
    for name in ("winrm_timeout", "pause_before_connecting"):
        if getattr(config, name).seconds < 0:
            yield Problem(f"`{name}` is negative", name, hint="write a time such as `30m`")
    if config.winrm_insecure and not config.winrm_use_ssl:
        summary = "`winrm_insecure` has no effect without `winrm_use_ssl`"
        yield Problem(summary, "winrm_insecure", warning=True)
