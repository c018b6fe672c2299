"""The `http` data source: a web page's text, read when the template is.

It reads with the standard library, not through `media.download`: that one resumes files of gigabytes
for a build that can be cancelled, while this is one small answer before any build exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from vmforge.errors import DownloadError
from vmforge.sdk import Config, DataSource, Problem, Value, option
from vmforge.sdk.network import RemoteInput, RemoteKind, file_of

# Silence in seconds after which a server counts as dead.
_TIMEOUT: Final = 60.0
_LARGEST: Final = 64 * 1024 * 1024
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


@dataclass(frozen=True, kw_only=True)
class HttpConfig(Config):
    url: str = option(help="The address to read: `http://` or `https://`.")
    method: str = option("GET", help="The request's method, such as `GET` or `POST`.")
    request_headers: Mapping[str, str] = option({}, help="Headers to send along.")
    request_body: str = option("", help="The text to send, with `POST` for example.")


class HttpDataSource(DataSource[HttpConfig]):
    config_type = HttpConfig
    summary = "reads a web page: `body` is its text, `response_headers` what came along"

    @classmethod
    def check(cls, config: HttpConfig) -> Iterable[Problem]:
        if urlsplit(config.url).scheme.lower() not in ("http", "https"):
            yield Problem(f"`{config.url}` is no web address", "url", hint="write `https://...`")
        if config.method.upper() not in _METHODS:
            known = ", ".join(f"`{method}`" for method in _METHODS)
            yield Problem(f"there is no method `{config.method}`", "method", hint=f"known are {known}")

    @classmethod
    def remote_inputs(cls, config: HttpConfig) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.DATA, "its answer", (config.url,))

    @classmethod
    def lasting(cls, answer: Mapping[str, Value]) -> Mapping[str, Value]:
        return {"body": answer.get("body")}  # headers tell the time

    def read(self) -> dict[str, Value]:
        """Raises `DownloadError`, for every status but 200 too, and `NetworkRefused`."""
        place = self.network.locate(self.config.url)
        path = file_of(place)
        received, headers, charset = (
            self._asked(place) if path is None else (self._in_file(path), {}, "utf-8")
        )
        if len(received) > _LARGEST:
            raise self._failed("the answer is longer than 64 MiB")
        headers_value: dict[str, Value] = dict(headers)
        text = self._text(received, charset)
        return {"url": self.config.url, "body": text, "response_headers": headers_value}

    def _in_file(self, path: Path) -> bytes:
        """The answer as a mirror's file has it."""
        try:
            with path.open("rb") as file:
                return file.read(_LARGEST + 1)
        except OSError as error:
            raise self._failed(f"its mirror's `{path}`: {(error.strerror or str(error)).lower()}") from None

    def _asked(self, url: str) -> tuple[bytes, dict[str, str], str]:
        """A server's answer, its headers, and its encoding."""
        # loaded here: templates without data sources need no HTTP
        from http.client import HTTPException
        from urllib.error import HTTPError, URLError
        from urllib.request import ProxyHandler, Request, build_opener

        config = self.config
        body = config.request_body.encode() if config.request_body else None
        # offline, neither a redirect nor a proxy may lead away from this machine
        opener = build_opener(ProxyHandler({}), _no_redirects()) if self.network.offline else build_opener()
        try:
            request = Request(url, body, dict(config.request_headers), method=config.method.upper())
            with opener.open(request, timeout=_TIMEOUT) as answer:
                if answer.status != 200:
                    raise self._failed(f"the server answers {answer.status} {answer.reason}")
                received = answer.read(_LARGEST + 1)
                headers = {name: answer.headers[name] for name in answer.headers}
                return received, headers, answer.headers.get_content_charset("utf-8")
        except HTTPError as error:
            raise self._failed(f"the server answers {error.code} {error.reason}") from None
        except URLError as error:
            raise self._failed(str(error.reason)) from None
        except (HTTPException, OSError, ValueError) as error:
            raise self._failed(str(error) or type(error).__name__) from None

    def _text(self, received: bytes, charset: str) -> str:
        try:
            return received.decode(charset)
        except LookupError:
            raise self._failed(f"the answer is in `{charset}`, which is no known encoding") from None
        except UnicodeDecodeError:
            raise self._failed(f"the answer is no text in `{charset}`") from None

    def _failed(self, reason: str) -> DownloadError:
        hint = "look at it with `curl -v`, and at `request_headers` and the proxy's variables"
        return DownloadError(f"cannot read `{self.config.url}`: {reason}", hint=hint)


def _no_redirects() -> Any:
    """A handler that takes a redirect for a failure."""
    from urllib.request import HTTPRedirectHandler

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *arguments: Any) -> None:
            return None

    return Stay()
