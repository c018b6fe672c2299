from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pysequoia
import pytest

from http_server import Request, Server
from vmforge.cache import Store
from vmforge.media.download import Patience
from vmforge.media.iso_source import RetrievedIso, retrieve
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.testing import RecordingUi

Behaviour = Callable[[BaseHTTPRequestHandler], None]

CONTENT = hashlib.shake_256(b"an ISO").digest(3 * 1024 * 1024 + 17)


@dataclass
class OddServer:
    """A server that answers GET and HEAD as a function says; remembers the headers of each request."""

    behaviour: Behaviour
    asked: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> OddServer:
        odd = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                odd.asked.append({"method": self.command, **dict(self.headers.items())})
                odd.behaviour(self)

            do_HEAD = do_GET

            def log_message(self, *args: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *args: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/odd.iso"
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Bench:
    """Everything that `retrieve` needs, and what it did."""

    base: Path
    store: Store
    ui: RecordingUi = field(default_factory=RecordingUi)
    cancellation: Cancellation = field(default_factory=Cancellation)
    patience: Patience = field(default_factory=lambda: Patience(connect=5, read=5, attempts=3, pause=0))

    def get(self, *urls: str, checksum: str = "none", **more: Any) -> RetrievedIso:
        return retrieve(
            urls,
            checksum,
            store=self.store,
            ui=self.ui,
            cancellation=self.cancellation,
            base_dir=self.base,
            patience=more.pop("patience", self.patience),
            **more,
        )

    def staged(self) -> list[Path]:
        """The unfinished files in the store, without the notes about them."""
        return list((self.store.root / "objects").glob("*.part"))


@pytest.fixture
def odd() -> type[OddServer]:
    return OddServer


@pytest.fixture
def content() -> bytes:
    return CONTENT


@pytest.fixture
def sha256() -> str:
    return hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, Store(tmp_path / "cache"))


@dataclass
class Mirror:
    """A well-behaved server with `x.iso`."""

    server: Server
    folder: Path
    told: list[Request]

    @property
    def url(self) -> str:
        return f"{self.server.url}/x.iso"

    @property
    def asked(self) -> list[Request]:
        """What was asked by connections that are closed: the server tells it after its answer."""
        for thread in threading.enumerate():
            if thread.name == "http-connection":
                thread.join(timeout=10)
        return self.told


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "x.iso").write_bytes(CONTENT)
    told: list[Request] = []
    with Server(folder, on_request=told.append) as server:
        yield Mirror(server, folder, told)


class Publisher:
    """Somebody who signs what they publish, and whose public key is in the file `keyring`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._key = pysequoia.Tsk.generate(f"{name} <{name}@example.com>")
        self.name = f"{name} <{name}@example.com>"
        self.keyring = folder / f"{name}.asc"
        self.keyring.write_text(str(self._key.extract_certificate()))

    @property
    def fingerprint(self) -> str:
        return str(self._key.extract_certificate().fingerprint).upper()

    def detached(self, data: bytes, *, armour: bool = True) -> bytes:
        return self._sign(data, pysequoia.SignatureMode.DETACHED, armour)

    def clear(self, data: bytes) -> bytes:
        return self._sign(data, pysequoia.SignatureMode.CLEAR, True)

    def inline(self, data: bytes) -> bytes:
        """A message that holds what it signs: no signature of anything else."""
        return self._sign(data, pysequoia.SignatureMode.INLINE, False)

    def _sign(self, data: bytes, mode: pysequoia.SignatureMode, armour: bool) -> bytes:
        return pysequoia.sign(self._key.signer(), data, mode=mode, armor=armour)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path, "images")


@pytest.fixture
def stranger(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path, "stranger")
