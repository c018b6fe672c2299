"""Real counterparts of uploads: an HTTP server with faults on order, OpenSSH's and rsync's servers, a
registry, and S3 as moto plays it."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vmforge.post_processors.upload import UploadPostProcessor
from vmforge.post_processors.upload import post_processor as module
from vmforge.sdk import Artifact, FileArtifact, PostProcessor
from vmforge.sdk.testing import RecordingUi, configure, fake_context


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's logins, proxies and settings, and no pauses."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setattr(module, "_PAUSE", 0.0)


Upload = Callable[..., Artifact]


@pytest.fixture
def ui() -> RecordingUi:
    return RecordingUi()


@pytest.fixture
def upload(tmp_path: Path, ui: RecordingUi) -> Upload:
    """Uploads files with these options, and returns the artifact that is made."""

    def run(*files: Path, context: dict[str, Any] | None = None, **options: Any) -> Artifact:
        component = configure(UploadPostProcessor, options)
        assert isinstance(component, PostProcessor)
        artifact = FileArtifact("transcend.qemu", "VM", files, "a disk")
        made = component.process(fake_context(tmp_path, ui=ui, **(context or {})), artifact)
        assert made.artifact is not None and made.keep_input and not made.must_keep
        return made.artifact

    return run


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A file of several blocks that do not compress."""
    path = tmp_path / "disk 1.qcow2"
    path.write_bytes(os.urandom(2 * 1024 * 1024 + 77))
    return path


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class PutServer:
    """Takes what is PUT. `answers` are (status, headers) of the next requests, before 201 for the rest;
    a status of 0 hangs up in the middle of the body."""

    port: int = 0
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


def _handler(server: PutServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            status, headers = server.answers.pop(0) if server.answers else (201, {})
            size = int(self.headers["Content-Length"])
            if status == 0:
                self.rfile.read(size // 2)
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            body = self.rfile.read(size)
            sent = {name.lower(): value for name, value in self.headers.items()}
            server.received.append(Received(self.path, sent, body))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            words = b"" if status < 300 else b"no room for it"
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, format: str, *arguments: Any) -> None:
            return None

    return Handler


@contextmanager
def _serving(context: ssl.SSLContext | None = None) -> Iterator[PutServer]:
    server = PutServer(scheme="https" if context else "http")
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as listening:
        if context is not None:
            listening.socket = context.wrap_socket(listening.socket, server_side=True)
        server.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


@pytest.fixture
def put_server() -> Iterator[PutServer]:
    with _serving() as server:
        yield server


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[PutServer]:
    """One whose certificate nobody signed."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with _serving(context) as server:
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until the process listens on the port."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        assert process.poll() is None, "the server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the server does not listen")


@contextmanager
def running(port: int, *command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait()


@dataclass
class Sshd:
    """An SSH server that lets in whoever has the key. `arguments` are what ssh needs to get there."""

    port: int
    user: str
    arguments: list[str]
    known_hosts: Path


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("`sshd` is not installed")
    folder, port = tmp_path / "sshd", free_port()
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    settings = [
        f"ListenAddress 127.0.0.1:{port}",
        f"HostKey {folder / 'host'}",
        f"AuthorizedKeysFile {folder / 'authorized'}",
        "StrictModes no",
        "UsePAM no",
        f"PidFile {folder / 'pid'}",
        "Subsystem sftp internal-sftp",
    ]
    (folder / "config").write_text("\n".join(settings) + "\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    known = folder / "known_hosts"
    kind, key, *_ = (folder / "host.pub").read_text().split()
    known.write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    arguments = ["-F/dev/null", f"-i{folder / 'user'}", f"-oUserKnownHostsFile={known}"]
    with running(port, program, "-D", "-f", str(folder / "config")):
        yield Sshd(port, getpass.getuser(), arguments, known)


@pytest.fixture
def rsync_module(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The URL of a module of an rsync daemon, and its folder."""
    program = shutil.which("rsync")
    if program is None:
        pytest.skip("`rsync` is not installed")
    folder, port = tmp_path / "module", free_port()
    folder.mkdir()
    config = tmp_path / "rsyncd.conf"
    owner = f"uid = {os.getuid()}\ngid = {os.getgid()}\n"
    config.write_text(f"use chroot = no\n{owner}[images]\npath = {folder}\nread only = no\n")
    options = ["--daemon", "--no-detach", "--address=127.0.0.1", f"--port={port}", f"--config={config}"]
    with running(port, program, *options):
        yield f"rsync://127.0.0.1:{port}/images/", folder


@dataclass
class Registry:
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"oci+http://127.0.0.1:{self.port}"


@contextmanager
def _registry(tmp_path: Path, more: str) -> Iterator[Registry]:
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("`docker-registry` is not installed")
    folder, port = tmp_path / "registry", free_port()
    config = tmp_path / "registry.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n{more}"
    )
    with running(port, program, "serve", str(config)):
        yield Registry(port, folder)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with _registry(tmp_path, "") as registry:
        yield registry


@pytest.fixture
def locked_registry(tmp_path: Path) -> Iterator[Registry]:
    """One that wants the user `me` with the password `sesame`."""
    import bcrypt

    passwords = tmp_path / "htpasswd"
    passwords.write_text(f"me:{bcrypt.hashpw(b'sesame', bcrypt.gensalt(4)).decode()}\n")
    with _registry(tmp_path, f"auth: {{htpasswd: {{realm: test, path: {passwords}}}}}\n") as registry:
        yield registry
