"""Logins to registries, as the engine's API takes them along with a request."""

from __future__ import annotations

from dataclasses import dataclass

from vmforge.builders.docker.config import LoginConfig
from vmforge.builders.docker.engine import registry_of
from vmforge.sdk import BuildContext

_HUB = "docker.io"
_HUB_NAMES = ("", _HUB, "index.docker.io", "registry-1.docker.io", "hub.docker.com")


@dataclass(frozen=True)
class Login:
    """Who asks one registry. `server` is its host and port."""

    server: str
    username: str
    password: str

    def auth_config(self, image: str) -> dict[str, str] | None:
        """The login for this image; None when it comes from another registry, which must not see it."""
        if registry_of(image)[0] != self.server:
            return None
        return {"username": self.username, "password": self.password, "serveraddress": self.server}


def login_of(config: LoginConfig, context: BuildContext) -> Login | None:
    """The login that the options ask for; what comes from AWS is hidden from then on."""
    if config.ecr_login:
        from vmforge.builders.docker.ecr import ecr_login

        context.ui.message("fetching a login from ECR")
        username, password = ecr_login(config, context)
        context.redact([password])
        return Login(_server(config.login_server), username, password)
    if config.login:
        return Login(_server(config.login_server), config.login_username, config.login_password.value)
    return None


def auth_config(login: Login | None, image: str, context: BuildContext) -> dict[str, str] | None:
    """What to send along for an image. None leaves it to the logins of `docker login`."""
    if login is None:
        return None
    found = login.auth_config(image)
    if found is None:
        registry = registry_of(image)[0]
        context.ui.warn(f"the login is for `{login.server}`, and `{image}` belongs to `{registry}`: not used")
    return found


def _server(text: str) -> str:
    host = text.partition("://")[2] or text
    host = host.partition("/")[0]
    return _HUB if host in _HUB_NAMES else host
