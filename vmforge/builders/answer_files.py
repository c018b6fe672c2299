"""The answer files that an installer fetches: the options, and the server while the build runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from vmforge.builders.ports import check_ports
from vmforge.errors import HostError
from vmforge.sdk import BuildContext, Config, Problem, option

if TYPE_CHECKING:
    from http_server import Request, Server


@dataclass(frozen=True, kw_only=True)
class AnswerFileOptions(Config):
    """Options of the embedded HTTP server."""

    http_directory: Path | None = option(None, help="Serve the files of this folder to the installer.")
    http_content: Mapping[str, str] = option(
        {}, help='Serve these texts: `{ "/preseed.cfg" = file("preseed.cfg") }`.'
    )
    http_port_min: int = option(
        0,
        help="The first port to try; 8000 when only `http_port_max` is set.",
        default_text="any free port",
        affects_image=False,
    )
    http_port_max: int = option(
        0, help="The last port to try; 9000 when only `http_port_min` is set.", affects_image=False
    )
    http_bind_address: str = option(
        "",
        help="Listen on this address of this machine, and give it to the guest as `{{ .HTTPIP }}` if the "
        "guest can reach it; by default only where the guest can reach the server.",
        affects_image=False,
    )
    http_interface: str = option("", help="Accepted for Packer's sake; has no effect.", affects_image=False)
    http_network_protocol: str = option(
        "tcp",
        help="Accepted for Packer's sake; the server always speaks TCP, over IPv4 or IPv6 as "
        "`http_bind_address` has it.",
        affects_image=False,
    )

    @property
    def serves(self) -> bool:
        return self.http_directory is not None or bool(self.http_content)

    @property
    def ports(self) -> range | None:
        """The ports to try; None when the system chooses. Packer's defaults fill a half range."""
        if not self.http_port_min and not self.http_port_max:
            return None
        return range(self.http_port_min or 8000, (self.http_port_max or 9000) + 1)

    def address_for_guest(self, default: str) -> str:
        """What the guest calls the server: the address that it listens on, if that is one that the guest
        can reach, else `default`."""
        everywhere = self.http_bind_address in ("", "0.0.0.0", "::")
        return default if everywhere or _is_loopback(self.http_bind_address) else self.http_bind_address


def check_answer_files(options: AnswerFileOptions) -> Iterable[Problem]:
    """What is wrong with the options, judged by their values and the local files that they name."""
    if options.http_directory is not None and options.http_content:
        yield Problem(
            "`http_directory` and `http_content` are both set", "http_content", hint="keep one of them"
        )
    if options.http_directory is not None and not options.http_directory.is_dir():
        hint = "the path is relative to the current folder; `${path.root}/...` is relative to the template"
        yield Problem(
            f"`http_directory`: there is no folder `{options.http_directory}`", "http_directory", hint=hint
        )
    if options.http_network_protocol not in ("tcp", "tcp4", "tcp6"):
        yield Problem(
            f"`http_network_protocol`: guests cannot reach a server over `{options.http_network_protocol}`",
            "http_network_protocol",
            hint="leave it out",
        )
    yield from check_ports("http_port", options.ports)


def _is_loopback(address: str) -> bool:
    return address in ("localhost", "::1") or address.startswith("127.")


@dataclass
class AnswerFileServer:
    """The server as a resource of a build: runs while the build does, and tells what was fetched. It runs for
    files of the options, or if it `expects_more`: files that `offer` brings."""

    options: AnswerFileOptions
    context: BuildContext
    host: str
    expects_more: bool = False
    _server: Server | None = field(default=None, init=False)
    _requests: list[Request] = field(default_factory=list, init=False)

    @property
    def requests(self) -> Sequence[Request]:
        """All requests so far, in order."""
        return tuple(self._requests)

    def offered(self) -> Iterator[str]:
        """The paths of the answer files."""
        return self._server.paths() if self._server is not None else iter(())

    def offer(self, files: Mapping[str, str]) -> None:
        """Offer texts by path too, where the options have no file: such as could only be written once the
        server's own address was known."""
        if self._server is not None:
            # the server itself takes a folder or texts
            beside = self.options.http_content if self.options.http_directory is not None else {}
            self._server.offer({**files, **beside})

    def __enter__(self) -> int:
        """Start serving; returns the port, 0 when there is nothing to serve (as Packer has it)."""
        from http_server import PortsInUse, Server

        if not (self.options.serves or self.expects_more):
            return 0
        server = Server(
            self.options.http_directory,
            None if self.options.http_directory is not None else dict(self.options.http_content),
            host=self.options.http_bind_address or self.host,
            ports=self.options.ports,
            on_request=self._show,
        )
        try:
            server.__enter__()
        except PortsInUse as error:
            hint = "widen `http_port_min` to `http_port_max`, or leave both out: any free port is then used"
            raise HostError(str(error), hint=hint) from None
        except OSError as error:
            raise HostError(f"cannot serve the answer files: {error}") from None
        self._server = server
        self.offer({})
        return server.port

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.__exit__(kind, error, trace)

    def _show(self, request: Request) -> None:
        self._requests.append(request)
        self.context.live.note(
            "asked for", request.path if request.status < 400 else f"{request.path} ({request.status})"
        )
        if request.status < 400:
            self.context.ui.message(f"installer fetched {request.path}")
            return
        near = f"; the nearest is {request.nearest}" if request.nearest else ""
        self.context.ui.warn(f"installer asked for {request.path}: {request.status}{near}")
