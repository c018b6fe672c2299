"""OpenStack's APIs: the only module here that knows openstacksdk, and keystoneauth below it.

They find the login (options, environment, `clouds.yaml`), the services' endpoints and versions, and log in
anew when a token has run out; requests, and when to repeat them, are ours. Their exceptions end here.
"""

from __future__ import annotations

import logging
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from html import unescape
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from vmforge.builders.openstack.access import EXTRA, LIBRARY, AccessConfig
from vmforge.sdk import Cancellation
from vmforge.sdk.cloud import Answer, CloudError, heard
from vmforge.sdk.extras import needs
from vmforge.sdk.network import Network

_log = logging.getLogger(__name__)

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
# Glance answers an upload once it has stored and summed it.
_UPLOAD_SECONDS = 3600.0
_TRIES, _FIRST_PAUSE, _LONGEST_PAUSE = 8, 0.25, 20.0
# The service says that it has done nothing (RFC 6585, section 4; RFC 9110, section 15.6.4).
_REFUSED_FOR_NOW: Final = (429, 503)
_SERVERS_FAULT: Final = (500, 502, 504)
_IDEMPOTENT: Final = ("GET", "HEAD", "PUT", "DELETE")
_HARMLESS: Final = ("GET", "HEAD")


class Blocks(Protocol):
    """What is uploaded, block by block; `len` is the number of its bytes."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


class Service(StrEnum):
    """The services by their types (https://service-types.openstack.org/)."""

    COMPUTE = "compute"
    IMAGE = "image"
    NETWORK = "network"
    VOLUMES = "block-storage"


_NAMES: Final = {
    Service.COMPUTE: "Nova",
    Service.IMAGE: "Glance",
    Service.NETWORK: "Neutron",
    Service.VOLUMES: "Cinder",
}
# What is asked of the services here, they know since these versions.
_VERSIONS: Final[Mapping[Service, dict[str, str]]] = {
    Service.COMPUTE: {"min_version": "2", "max_version": "2.latest"},
    Service.IMAGE: {"min_version": "2", "max_version": "2.latest"},
    Service.NETWORK: {},
    Service.VOLUMES: {"min_version": "3", "max_version": "3.latest"},
}
_LOGIN_HINT: Final = "set `cloud`, or `identity_endpoint`, or source the cloud's `openrc` file"
_HINTS: Final = (
    (401, "", "check user, password and project; `openstack token issue` tries the same login"),
    (403, "quota", "ask for a higher quota, or delete what the project does not need"),
    (403, "", "the project's roles do not allow it; ask the cloud's operator"),
    (413, "quota", "ask for a higher quota, or delete what the project does not need"),
)


@dataclass(eq=False)
class Account:
    """A login. Making it asks nobody; its calls raise `CloudError`, `HostError` without the library,
    `NetworkRefused`, and `Interrupted` once the build is told to stop."""

    access: AccessConfig
    network: Network
    cancellation: Cancellation
    _clients: dict[Service, Any] = field(default_factory=dict)  # shared by those of one login
    _regions: list[Any] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def insistent(self) -> Account:
        """The same login, for what must be done although the build was told to stop: deleting."""
        return Account(self.access, self.network, Cancellation(), self._clients, self._regions, self._lock)

    def get(self, service: Service, path: str, **params: Any) -> Any:
        """The decoded body."""
        return self.request(service, "GET", path, params=params).body

    def find(self, service: Service, path: str) -> Any:
        """The decoded body; None if there is no such thing (yet)."""
        try:
            return self.get(service, path)
        except CloudError as error:
            if error.is_absence:
                return None
            raise

    def post(self, service: Service, path: str, body: Any, *, repeatable: bool = False) -> Answer:
        return self.request(service, "POST", path, body=body, repeatable=repeatable)

    def put(self, service: Service, path: str, body: Any) -> Any:
        """The decoded body."""
        return self.request(service, "PUT", path, body=body).body

    def delete(self, service: Service, path: str) -> None:
        """Ask to delete; what is gone already is fine."""
        try:
            self.request(service, "DELETE", path)
        except CloudError as error:
            if not error.is_absence:
                raise

    def pages(self, service: Service, path: str, key: str, **params: Any) -> Iterator[Any]:
        """The members of `key` on all pages of a list."""
        asked = dict(params)
        while True:
            page = self.get(service, path, **asked)
            yield from page.get(key) or ()
            following = _next_page(page, key)
            if not following:
                return
            # services behind a proxy give out links that lead past it, so only what they ask is used
            asked |= following

    def upload(self, service: Service, path: str, data: Blocks) -> None:
        """Send `data` once; it is not repeated, because it is read only once."""
        headers = {"Content-Type": "application/octet-stream"}
        self._once(service, "PUT", path, headers=headers, data=data, timeout=_UPLOAD_SECONDS)

    def request(
        self,
        service: Service,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """One request, repeated where that does no harm: what was refused for now always, after other faults
        only what is `repeatable`."""
        safe = (method in _IDEMPOTENT) if repeatable is None else repeatable
        pause = _FIRST_PAUSE
        for left in reversed(range(_TRIES)):
            try:
                return self._once(service, method, path, body=body, params=params, headers=headers)
            except CloudError as error:
                again = error.transient and (safe or error.status in _REFUSED_FOR_NOW)
                if not again or not left:
                    raise
                _log.debug("%s; again in about %.1f s", error.message, pause)
                wanted = max(pause, getattr(error, "retry_after", 0.0))
            # so that builds that were refused together do not come back together
            self.cancellation.wait(wanted * (1 + random.random() / 4))
            pause = min(pause * 2, _LONGEST_PAUSE)
        raise AssertionError  # the last try returns or raises

    def _once(
        self,
        service: Service,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        data: Blocks | None = None,
        timeout: float = _READ_SECONDS,
    ) -> Answer:
        self.cancellation.check()
        sent: dict[str, Any] = {"params": dict(params or {}), "headers": dict(headers or {})}
        sent |= {"json": body} if body is not None else {}
        sent |= {"data": data} if data is not None else {}
        sent |= {"timeout": (_CONNECT_SECONDS, timeout), "raise_exc": False, "redirect": method in _HARMLESS}

        def ask() -> Any:
            return self._client(service).request(path, method, **sent)

        name = _NAMES[service]
        response = _translated(name, lambda: heard(ask, self.cancellation, listening=method not in _HARMLESS))
        answer = _answer(response)
        _log.debug("%s %s %s: %d", name, method, path, answer.status)
        if answer.status >= 400:
            raise _refusal(name, method, path, answer)
        return answer

    def has(self, service: Service) -> bool:
        """Whether the cloud's catalog has a service for this login."""

        def look() -> bool:
            with self._lock:
                return service in self._clients or bool(_endpoint_of(self._raw_client(service)))

        return bool(_translated(_NAMES[service], lambda: heard(look, self.cancellation, listening=False)))

    @property
    def project(self) -> str:
        """The id of the project that the login is for; `""` for none. Known once something was asked."""
        with self._lock:
            return str(self._region().get_session().get_project_id() or "")

    def close(self) -> None:
        with self._lock:
            for region in self._regions:
                region.get_session().session.close()
            self._clients.clear()
            self._regions.clear()

    def _client(self, service: Service) -> Any:
        """A service's endpoint, found by the catalog that comes with the login."""
        with self._lock:
            if service not in self._clients:
                client = self._raw_client(service)
                endpoint = _endpoint_of(client)
                if not endpoint:
                    raise CloudError(
                        f"the cloud has no service `{service.value}` ({_NAMES[service]}) for this login",
                        hint="check `region` and `endpoint_type`; `openstack catalog list` shows all",
                    )
                self.network.locate(endpoint)
                self._clients[service] = client
            return self._clients[service]

    def _raw_client(self, service: Service) -> Any:
        from keystoneauth1.adapter import Adapter

        region = self._region()
        place: dict[str, Any] = {
            "session": region.get_session(),
            "service_type": region.get_service_type(service.value),
            "service_name": region.get_service_name(service.value),
            "interface": region.get_interface(service.value),
            "region_name": region.get_region_name(service.value),
            "endpoint_override": region.get_endpoint(service.value),
        }
        client = Adapter(**place | _VERSIONS[service])
        if service is Service.NETWORK and (endpoint := _endpoint_of(client)):
            # Neutron's list of versions is not always where its endpoint is, and there has been but one
            client.endpoint_override = endpoint.rstrip("/").removesuffix("/v2.0") + "/v2.0"
        return client

    def _region(self) -> Any:
        """The cloud's region as openstacksdk knows it, logged in."""
        if not self._regions:
            with needs(EXTRA, LIBRARY):
                from openstack.config import OpenStackConfig

            region = OpenStackConfig(app_name="vmforge").get_one(**_choices(self.access))
            auth_url = region.get_auth_args().get("auth_url")
            if not auth_url:
                raise CloudError("nothing says which OpenStack cloud to log in to", hint=_LOGIN_HINT)
            self.network.locate(auth_url)
            region.get_session().get_token()
            self._regions.append(region)
        return self._regions[0]


def _endpoint_of(client: Any) -> str:
    """A service's endpoint; `""` where the catalog has none."""
    from keystoneauth1.exceptions import CatalogException

    try:
        return client.get_endpoint() or ""
    except CatalogException:
        return ""


def _choices(access: AccessConfig) -> dict[str, Any]:
    """What openstacksdk is told, in place of what it finds."""
    chosen: dict[str, Any] = {
        "cloud": access.cloud or None,
        "region_name": access.region or None,
        "auth_type": access.login_kind or None,
        "interface": access.endpoint_type.removesuffix("URL") if access.endpoint_type else None,
        "cacert": str(access.cacert.expanduser()) if access.cacert else None,
        "cert": str(access.cert.expanduser()) if access.cert else None,
        "key": str(access.key.expanduser()) if access.key else None,
        "verify": False if access.insecure else None,
    }
    login = {"auth": access.login} if access.login else {}
    return {name: value for name, value in chosen.items() if value is not None} | login


def _translated(name: str, work: Callable[[], Any]) -> Any:
    """What `work` returns; what the libraries raise becomes `CloudError`."""
    with needs(EXTRA, LIBRARY):
        from keystoneauth1 import exceptions as keystone
        from openstack import exceptions as sdk

    try:
        return work()
    except keystone.Unauthorized as error:
        text = f"cannot log in to OpenStack: {_first_line(error)}"
        raise CloudError(text, status=401, code="Unauthorized", hint=_HINTS[0][2]) from None
    except keystone.HttpError as error:
        status = int(error.http_status or 0)
        transient = status in (*_REFUSED_FOR_NOW, *_SERVERS_FAULT)
        raise CloudError(f"OpenStack: {_first_line(error)}", status=status, transient=transient) from None
    except keystone.SSLError as error:
        hint = "set `cacert` to the authority's certificate"
        raise CloudError(f"{name}: the connection is not secure: {_first_line(error)}", hint=hint) from None
    except (keystone.ConnectionError, keystone.RetriableConnectionFailure) as error:
        raise CloudError(f"{name} does not answer: {_first_line(error)}", transient=True) from None
    except keystone.MissingRequiredOptions as error:
        missing = ", ".join(f"`{option.dest}`" for option in error.options)
        raise CloudError(f"the login for OpenStack lacks {missing}", hint=_LOGIN_HINT) from None
    except keystone.DiscoveryFailure as error:
        hint = "check `identity_endpoint`; it ends with `/v3` as a rule"
        raise CloudError(f"{name}: {_first_line(error)}", hint=hint) from None
    except (keystone.ClientException, sdk.SDKException) as error:
        hint = "see docs/openstack.md for the ways to log in"
        raise CloudError(f"OpenStack: {_first_line(error)}", hint=hint) from None


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return re.sub(r" \(HTTP \d+\).*$", "", text[0]).rstrip(".") if text else type(error).__name__


class _Refusal(CloudError):
    retry_after = 0.0


def _refusal(name: str, method: str, path: str, answer: Answer) -> CloudError:
    code, message = explain(answer)
    message = message or f"{method} {path} failed"
    transient = answer.status in (*_REFUSED_FOR_NOW, *_SERVERS_FAULT)
    hints = (hint for status, word, hint in _HINTS if status == answer.status and word in message.lower())
    text = f"{name}: {message.rstrip('.')}"
    error = _Refusal(text, code=code, status=answer.status, transient=transient, hint=next(hints, ""))
    wanted = answer.headers.get("retry-after", "")
    error.retry_after = float(wanted) if wanted.isascii() and wanted.isdigit() else 0.0
    return error


def _answer(response: Any) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    body = None
    if response.content:
        try:
            body = response.json()
        except ValueError:
            pass  # Glance's errors are pages of HTML; `text` has it
    return Answer(response.status_code, body, headers, response.text if body is None else "")


def explain(answer: Answer) -> tuple[str, str]:
    """The code and the message of an error: `{"itemNotFound": {"message": ...}}` of Nova and Cinder,
    `{"NeutronError": {"type": ..., "message": ...}}`, `{"error": {...}}` of Keystone, Glance's HTML."""
    if isinstance(answer.body, dict):
        for name, inner in answer.body.items():
            if isinstance(inner, dict):
                return str(inner.get("type") or name), str(inner.get("message") or "")
            if isinstance(inner, str) and name in ("message", "NeutronError", "error"):
                return "", inner
    page = re.sub(r"(?s)<head>.*</head>|<h1>.*?</h1>", " ", answer.text)
    words = " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())
    return "", words[:300]


def _next_page(page: Mapping[str, Any], key: str) -> dict[str, str]:
    """What to ask for the next page with; empty on the last one."""
    links = page.get(f"{key}_links") or ()
    named = [link["href"] for link in links if link.get("rel") == "next"]
    place = page.get("next") or (named[0] if named else "")
    return dict(parse_qsl(urlsplit(place).query))
