"""The server: a site behind a listening socket."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from http_server.handler import Handler, Request
from http_server.listener import Listener, listen
from http_server.site import ContentSite, FolderSite, WidenedSite


class Server:
    """Serves a folder, or contents by path, for as long as the `with` block runs.

    Listens on `host` only (an address, or a name that stands for one), on the first free port of
    `ports`, or on one that the kernel chooses. `on_request` is told of every request after its
    answer was sent, on the connection's thread, and no more once the block is left.

    Raises ValueError for a folder and contents, or neither, and for no ports; FileNotFoundError or
    NotADirectoryError for a folder that is none; PortsInUse, or another OSError where `host` is not
    this machine's.
    """

    def __init__(
        self,
        directory: Path | None = None,
        content: Mapping[str, str | bytes] | None = None,
        *,
        host: str = "127.0.0.1",
        ports: range | None = None,
        on_request: Callable[[Request], None] = lambda request: None,
    ) -> None:
        if (directory is None) == (content is None):
            raise ValueError("a server needs either a directory or contents")
        if ports is not None and not ports:
            raise ValueError("the range of ports is empty")
        self._site = WidenedSite(
            FolderSite(directory) if directory is not None else ContentSite(content or {})
        )
        self._ports = ports
        self._on_request = on_request
        self._listener: Listener | None = None
        self.host = host
        self.port = 0

    @property
    def url(self) -> str:
        """The server's root, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def paths(self) -> Iterator[str]:
        """The paths of what is offered, each beginning with a slash."""
        return self._site.paths()

    def offer(self, content: Mapping[str, str | bytes]) -> None:
        """Offer these contents too where nothing else is offered, in place of what an earlier call brought.
        May be called while the server runs."""
        self._site.more = ContentSite(content)

    def __enter__(self) -> Server:
        handler = functools.partial(Handler, site=self._site, on_request=self._on_request)
        self._listener = listen(self.host, self._ports, handler)
        self.port = self._listener.server_port
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()
