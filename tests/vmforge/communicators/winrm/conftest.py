"""A WinRM service made of Python: WS-Management over HTTP and HTTPS, logins by Basic and by real NTLM.

What it covers: the envelopes (create, command, send, receive, signal, delete, get config), time-outs of
Receive, faults, the envelope's limit, NTLM with encrypted messages (pyspnego's acceptor), TLS.

What it does not: Windows. `cmd`'s commands run in /bin/sh. PowerShell is not here either: the scripts that
vmforge sends are recognized by their whole text and what they should do is done in Python, so nothing
here shows that PowerShell would do it; the texts are kept as goldens. Kerberos, CredSSP, certificates
and PSRP are left out, as vmforge uses none of them.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import spnego
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vmforge.communicators.winrm import WinRmConnector, scripts
from vmforge.sdk import BuildContext, Communicator, Endpoint
from vmforge.sdk.testing import RecordingUi, configure, fake_context

USER, PASSWORD = "Administrator", "s3cret-Pass"

S = "{http://www.w3.org/2003/05/soap-envelope}"
A = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
W = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
R = "{http://schemas.microsoft.com/wbem/wsman/1/windows/shell}"
_NAMESPACES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:wsman="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" '
    'xmlns:wst="http://schemas.xmlsoap.org/ws/2004/09/transfer" '
    'xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell" '
    'xmlns:cfg="http://schemas.microsoft.com/wbem/wsman/1/config"'
)
OPERATION_TIMEOUT, NO_SUCH_SHELL = 2150858793, 2150858843


class Fault(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass
class Running:
    """A process of a shell: a real one, or a script that is played."""

    shell: str
    output: dict[str, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})
    status: int | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)
    process: subprocess.Popen[bytes] | None = None
    input: bytearray = field(default_factory=bytearray)
    at_end: Callable[[bytes], tuple[int, bytes, bytes]] | None = None
    terminated: bool = False

    def add(self, stream: str, data: bytes) -> None:
        with self.changed:
            self.output[stream] += data
            self.changed.notify_all()

    def finish(self, status: int) -> None:
        with self.changed:
            self.status = status
            self.changed.notify_all()

    def play(self, result: tuple[int, bytes, bytes]) -> None:
        status, out, err = result
        self.add("stdout", out)
        self.add("stderr", err)
        self.finish(status)


@dataclass
class WinRmServer:
    """`root` is the guest's drive C; `commands` what `cmd` was told to do."""

    root: Path
    envelope: int = 500
    tls: ssl.SSLContext | None = None
    ntlm: bool = False
    commands: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    largest: int = 0
    plain_messages: int = 0
    shells: set[str] = field(default_factory=set)
    processes: dict[str, Running] = field(default_factory=dict)
    refuses_shells: bool = False
    admin: bool = True
    connections: list[socket.socket] = field(default_factory=list)

    def start(self) -> None:
        server = self

        class Handler(_Handler):
            winrm = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if self.tls is not None:
            self._http.socket = self.tls.wrap_socket(self._http.socket, server_side=True)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self._http.server_address[1])

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for running in self.processes.values():
            if running.process is not None and running.process.poll() is None:
                running.process.kill()

    def restart(self) -> None:
        """What a reboot does to shells and processes."""
        self.shells.clear()
        self.processes.clear()

    def path(self, text: str) -> Path:
        """A path of the guest, here. `$env:TEMP` is a folder of the guest's."""
        text = text.replace("''", "'").replace("$env:TEMP", "C:/Temp").replace("\\", "/")
        return self.root / re.sub(r"^[A-Za-z]:", "", text).lstrip("/")

    # -- WS-Management --------------------------------------------------------------------------

    def answer(self, message: bytes) -> tuple[int, str]:
        self.largest = max(self.largest, len(message))
        envelope = ET.fromstring(message)
        action = envelope.findtext(f"{S}Header/{A}Action", "")
        identity = envelope.findtext(f"{S}Header/{A}MessageID", "")
        name = action.rpartition("/")[2]
        self.requests.append(name)
        try:
            if len(message) > self.envelope * 1024:
                raise Fault(2150858791, "the message is larger than MaxEnvelopeSize")
            body = getattr(self, f"_on_{name.lower()}")(envelope)
        except Fault as fault:
            return 500, self._fault(fault, identity)
        return 200, self._envelope(action + "Response", identity, body)

    def _envelope(self, action: str, identity: str, body: str) -> str:
        header = f"<wsa:Action>{action}</wsa:Action><wsa:RelatesTo>{identity}</wsa:RelatesTo>"
        return f"<s:Envelope {_NAMESPACES}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"

    def _fault(self, fault: Fault, identity: str) -> str:
        detail = (
            '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" '
            f'Code="{fault.code}" Machine="guest"><f:Message>{fault.reason}</f:Message></f:WSManFault>'
        )
        body = (
            "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text>"
            f"{fault.reason}</s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault>"
        )
        return self._envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", identity, body)

    def _shell_of(self, envelope: ET.Element) -> str:
        shell = next((e.text for e in envelope.iter(f"{W}Selector") if e.get("Name") == "ShellId"), "")
        if shell not in self.shells:
            raise Fault(NO_SUCH_SHELL, "the shell was not found on the server")
        return str(shell)

    def _on_create(self, envelope: ET.Element) -> str:
        if self.refuses_shells:
            raise Fault(5, "Access is denied.")
        codepage = [e.text for e in envelope.iter(f"{W}Option") if e.get("Name") == "WINRS_CODEPAGE"]
        assert codepage == ["65001"]
        shell = str(uuid.uuid4()).upper()
        self.shells.add(shell)
        return (
            "<wst:ResourceCreated><wsa:ReferenceParameters><wsman:SelectorSet>"
            f'<wsman:Selector Name="ShellId">{shell}</wsman:Selector></wsman:SelectorSet>'
            "</wsa:ReferenceParameters></wst:ResourceCreated>"
            f"<rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId></rsp:Shell>"
        )

    def _on_get(self, envelope: ET.Element) -> str:
        if not self.admin:
            raise Fault(5, "Access is denied.")
        return f"<cfg:Config><cfg:MaxEnvelopeSizekb>{self.envelope}</cfg:MaxEnvelopeSizekb></cfg:Config>"

    def _on_command(self, envelope: ET.Element) -> str:
        running = Running(self._shell_of(envelope))
        line = envelope.find(f"{S}Body/{R}CommandLine")
        assert line is not None
        command = line.findtext(f"{R}Command", "")
        arguments = [e.text or "" for e in line.findall(f"{R}Arguments")]
        identity = str(uuid.uuid4()).upper()
        self.processes[identity] = running
        if command == "powershell.exe":
            self._play(running, arguments)
        else:
            self.commands.append(command)
            self._spawn(running, command)
        return f"<rsp:CommandResponse><rsp:CommandId>{identity}</rsp:CommandId></rsp:CommandResponse>"

    def _spawn(self, running: Running, command: str) -> None:
        running.process = process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.root,
        )

        def pump(stream: str, pipe: Any) -> None:
            while data := os.read(pipe.fileno(), 65536):
                running.add(stream, data)

        def reap() -> None:
            pumps = [
                threading.Thread(target=pump, args=pair)
                for pair in (("stdout", process.stdout), ("stderr", process.stderr))
            ]
            for thread in pumps:
                thread.start()
            for thread in pumps:
                thread.join()
            for pipe in (process.stdout, process.stderr):
                assert pipe is not None
                pipe.close()
            running.finish(process.wait() % 2**32)

        threading.Thread(target=reap, daemon=True).start()

    def _running(self, identity: str | None) -> Running:
        if identity not in self.processes:
            raise Fault(NO_SUCH_SHELL, "the command was not found")
        return self.processes[str(identity)]

    def _on_receive(self, envelope: ET.Element) -> str:
        self._shell_of(envelope)
        wanted = envelope.find(f"{S}Body/{R}Receive/{R}DesiredStream")
        assert wanted is not None
        identity = wanted.get("CommandId")
        running = self._running(identity)
        seconds = float(re.sub("[PTS]", "", envelope.findtext(f"{S}Header/{W}OperationTimeout", "PT60S")))
        with running.changed:
            ready = running.changed.wait_for(
                lambda: any(running.output.values()) or running.status is not None, seconds
            )
            if not ready:
                raise Fault(OPERATION_TIMEOUT, "the operation timed out")
            # an answer is an envelope too
            limit = self.envelope * 512
            streams = ""
            for name, data in running.output.items():
                text = base64.b64encode(data[:limit]).decode()
                streams += f'<rsp:Stream Name="{name}" CommandId="{identity}">{text}</rsp:Stream>'
                running.output[name] = data[limit:]
            done = running.status is not None and not any(running.output.values())
        state = f"{R[1:-1]}/CommandState/{'Done' if done else 'Running'}"
        code = f"<rsp:ExitCode>{running.status}</rsp:ExitCode>" if done else ""
        end = f'<rsp:CommandState CommandId="{identity}" State="{state}">{code}</rsp:CommandState>'
        return f"<rsp:ReceiveResponse>{streams}{end}</rsp:ReceiveResponse>"

    def _on_send(self, envelope: ET.Element) -> str:
        self._shell_of(envelope)
        stream = envelope.find(f"{S}Body/{R}Send/{R}Stream")
        assert stream is not None
        running = self._running(stream.get("CommandId"))
        if running.status is not None:
            raise Fault(995, "the pipe has been ended")
        running.input += base64.b64decode(stream.text or "")
        if stream.get("End", "").lower() == "true" and running.at_end is not None:
            running.play(running.at_end(bytes(running.input)))
        return "<rsp:SendResponse/>"

    def _on_signal(self, envelope: ET.Element) -> str:
        self._shell_of(envelope)
        signal = envelope.find(f"{S}Body/{R}Signal")
        assert signal is not None
        running = self._running(signal.get("CommandId"))
        running.terminated = True
        if running.process is not None and running.process.poll() is None:
            running.process.kill()
        return "<rsp:SignalResponse/>"

    def _on_delete(self, envelope: ET.Element) -> str:
        self.shells.discard(self._shell_of(envelope))
        return ""

    # -- PowerShell, as far as it is known ---------------------------------------------------------

    def _play(self, running: Running, arguments: list[str]) -> None:
        assert arguments[-2] == "-EncodedCommand"
        assert len(" ".join(arguments)) < 8000, "`cmd` would cut it off"
        script = base64.b64decode(arguments[-1]).decode("utf-16-le")
        self.scripts.append(script)
        if found := _match(scripts.upload("@1@"), script):
            target = self.path(found[1])
            refusal = self._cannot_write(target)
            if refusal:
                running.play((1, b"", refusal))
            running.at_end = lambda data: self._receive_file(target, data)
        elif found := _match(scripts.download("@1@"), script):
            running.play(self._send_file(self.path(found[1])))
        elif found := _match(scripts.unpack("@2@", "@1@"), script):
            running.play(self._unpack(self.path(found[1]), self.path(found[2])))
        elif found := _match(scripts.pack("@1@", "@2@"), script):
            running.play(self._pack(self.path(found[1]), self.path(found[2])))
        elif found := _match(scripts.remove("@1@"), script):
            self.path(found[1]).unlink(missing_ok=True)
            running.play((0, b"", b""))
        else:
            raise AssertionError(f"an unknown script: {script}")

    def _cannot_write(self, target: Path) -> bytes:
        return b"Access to the path is denied.\r\n" if target.is_dir() else b""

    def _receive_file(self, target: Path, data: bytes) -> tuple[int, bytes, bytes]:
        content = b"".join(base64.b64decode(line, validate=True) for line in data.split(b"\r\n"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return 0, f"{len(content)}\r\n".encode(), b""

    def _send_file(self, source: Path) -> tuple[int, bytes, bytes]:
        if not source.is_file():
            return 1, b"", b"Could not find file.\r\n"
        content = source.read_bytes()
        lines = [str(len(content)).encode()]
        lines += [base64.b64encode(content[i : i + 196608]) for i in range(0, len(content), 196608)]
        return 0, b"".join(line + b"\r\n" for line in lines), b""

    def _unpack(self, folder: Path, archive: Path) -> tuple[int, bytes, bytes]:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        archive.unlink()
        return 0, b"", b""

    def _pack(self, folder: Path, archive: Path) -> tuple[int, bytes, bytes]:
        if not folder.is_dir():
            return 1, b"", b"there is no such folder\r\n"
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive, "w") as packed:
            for path in sorted(folder.rglob("*")):
                # as .NET 4.5 names them
                name = str(path.relative_to(folder)).replace("/", "\\")
                packed.writestr(
                    name + ("\\" if path.is_dir() else ""), b"" if path.is_dir() else path.read_bytes()
                )
        return 0, b"", b""


def _match(template: str, script: str) -> re.Match[str] | None:
    pattern = re.escape(template)
    for number in "12":
        group = re.escape(f"@{number}@")
        pattern = pattern.replace(group, f"(?P<g{number}>.*)", 1)
    found = re.fullmatch(pattern, script, re.DOTALL)
    if found is None:
        return None
    # by number of the mark, not by place
    names = [found.group(f"g{n}") for n in "12" if f"g{n}" in found.groupdict()]
    return re.fullmatch("(.*)\0(.*)", "\0".join([*names, ""][:2]), re.DOTALL)


class _Handler(BaseHTTPRequestHandler):
    """HTTP and logins. A connection that NTLM let in stays in."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    winrm: WinRmServer
    context: Any = None

    def setup(self) -> None:
        super().setup()
        self.winrm.connections.append(self.connection)

    def log_message(self, format: str, *args: object) -> None:
        return None

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not (self._ntlm() if self.winrm.ntlm else self._basic()):
            return
        encrypted = self.headers.get("Content-Type", "").startswith("multipart/encrypted")
        if not data:
            self._reply(200, b"")
            return
        if encrypted:
            data = self._unwrap(data)
        elif self.winrm.tls is None:
            self.winrm.plain_messages += 1
        status, text = self.winrm.answer(data)
        body = text.encode()
        if encrypted:
            self._reply(status, self._wrap(body), 'multipart/encrypted;boundary="Encrypted Boundary"')
        else:
            self._reply(status, body)

    def _basic(self) -> bool:
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {expected}":
            return True
        self._reply(401, b"", authenticate='Basic realm="WSMAN"')
        return False

    def _ntlm(self) -> bool:
        if self.context is not None and self.context.complete:
            return True
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if kind not in ("Negotiate", "NTLM"):
            self._reply(401, b"", authenticate="Negotiate")
            return False
        self.context = self.context or spnego.server(protocol="ntlm")
        try:
            answer = self.context.step(base64.b64decode(token))
        except spnego.exceptions.SpnegoError:
            self.context = None
            self._reply(401, b"", authenticate="Negotiate")
            return False
        if self.context.complete:
            return True
        self._reply(401, b"", authenticate=f"{kind} {base64.b64encode(answer).decode()}")
        return False

    def _unwrap(self, data: bytes) -> bytes:
        payload = data.split(b"application/octet-stream\r\n", 1)[1]
        payload = payload[: payload.rindex(b"--Encrypted Boundary--")]
        (length,) = struct.unpack("<i", payload[:4])
        return bytes(self.context.unwrap_winrm(payload[4 : 4 + length], payload[4 + length :]))

    def _wrap(self, body: bytes) -> bytes:
        wrapped = self.context.wrap_winrm(body)
        length = len(body) + wrapped.padding_length
        head = (
            "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}\r\n"
            "--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
        )
        signed = struct.pack("<i", len(wrapped.header)) + wrapped.header + wrapped.data
        return head.encode() + signed + b"--Encrypted Boundary--\r\n"

    def _reply(
        self,
        status: int,
        body: bytes,
        kind: str = "application/soap+xml;charset=UTF-8",
        authenticate: str = "",
    ) -> None:
        self.send_response(status)
        if authenticate:
            self.send_header("WWW-Authenticate", authenticate)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass
class Client:
    context: BuildContext
    ui: RecordingUi
    _open: list[Communicator] = field(default_factory=list)

    def connector(self, **options: Any) -> WinRmConnector:
        values = {"winrm_username": USER, "winrm_password": PASSWORD, "winrm_timeout": "20s"} | options
        made = configure(WinRmConnector, values)
        assert isinstance(made, WinRmConnector)
        return made

    def connect(self, where: WinRmServer | Endpoint | Callable[[], Endpoint], **options: Any) -> Communicator:
        place = where.endpoint if isinstance(where, WinRmServer) else where
        endpoint = place if callable(place) else (lambda: place)
        made = self.connector(**options).connect(self.context, endpoint)
        self._open.append(made)
        return made

    def close(self) -> None:
        for communicator in self._open:
            communicator.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    ui = RecordingUi()
    made = Client(fake_context(tmp_path, ui=ui), ui)
    yield made
    made.close()


def _served(server: WinRmServer) -> Iterator[WinRmServer]:
    server.root.mkdir()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WinRmServer]:
    """HTTP and Basic."""
    yield from _served(WinRmServer(tmp_path / "drive"))


@pytest.fixture
def ntlm_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WinRmServer]:
    """HTTP and NTLM, whose messages are encrypted."""
    accounts = tmp_path / "accounts"
    accounts.write_text(f":{USER}:{PASSWORD}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(accounts))
    yield from _served(WinRmServer(tmp_path / "drive", ntlm=True))


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[WinRmServer]:
    """HTTPS with a certificate that nobody knows."""
    yield from _served(WinRmServer(tmp_path / "drive", tls=_certified(tmp_path / "server.pem")))


def _certified(path: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "guest")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits for a condition; fails after 20 s."""
    return wait_until
