"""Compares vmforge's uploads and downloads with OpenSSH's `sftp` command, on the same server in the same run.

    python tests/benchmarks/sftp.py                        a server of its own on this machine
    python tests/benchmarks/sftp.py --key FILE USER@HOST:PORT    a running guest

Prints the best of some rounds in seconds, each with its own connection and login, and the ratio to the
command: below 1 vmforge is faster.
"""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vmforge.communicators import keys
from vmforge.communicators.ssh import SshConnector
from vmforge.sdk import Communicator, Endpoint
from vmforge.sdk.testing import configure, fake_context


@dataclass(frozen=True)
class Server:
    user: str
    endpoint: Endpoint
    key: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", nargs="?", help="USER@HOST:PORT")
    parser.add_argument("--key", type=Path, help="the private key for it")
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        payload = folder / "payload"
        payload.write_bytes(os.urandom(arguments.mebibytes * 1024 * 1024))
        if arguments.server:
            user, _, place = arguments.server.partition("@")
            host, _, port = place.rpartition(":")
            compare(Server(user, Endpoint(host, int(port)), arguments.key), payload, arguments.rounds)
        else:
            with local_server(folder) as server:
                compare(server, payload, arguments.rounds)


def compare(server: Server, payload: Path, rounds: int) -> None:
    """Measure both tools in turns, so that a change of the machine's load hits both."""
    remote, back = "/tmp/vmforge-benchmark", payload.with_name("back")

    def with_connection(move: Callable[[Communicator], object]) -> None:
        connection = connect(server, payload.parent)
        move(connection)
        connection.close()

    runs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "upload": (
            lambda: with_connection(lambda connection: connection.upload(payload, remote)),
            lambda: sftp(server, f"put {payload} {remote}"),
        ),
        "download": (
            lambda: with_connection(lambda connection: connection.download(remote, back)),
            lambda: sftp(server, f"get {remote} {back}"),
        ),
    }
    size = payload.stat().st_size >> 20
    print(f"{'':10}{'vmforge':>9}{'sftp':>9}{'ratio':>8}   ({size} MiB, best of {rounds})")
    for title, (ours, theirs) in runs.items():
        pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
        own, other = (min(times) for times in zip(*pairs, strict=True))
        print(f"{title:10}{own:8.2f}s{other:8.2f}s{own / other:8.2f}")
    assert back.read_bytes() == payload.read_bytes()
    with_connection(lambda connection: connection.run(f"rm -f {remote}"))


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def connect(server: Server, scratch: Path) -> Communicator:
    values = {"ssh_username": server.user, "ssh_private_key_file": str(server.key)}
    connector = configure(SshConnector, values)
    assert isinstance(connector, SshConnector)
    return connector.connect(fake_context(scratch), lambda: server.endpoint)


def sftp(server: Server, line: str) -> None:
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    flags = [part for option in options for part in ("-o", option)]
    place = f"{server.user}@{server.endpoint.host}"
    command = ["sftp", "-q", "-b", "-", "-i", str(server.key), "-P", str(server.endpoint.port), *flags, place]
    subprocess.run(command, input=line, text=True, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def local_server(folder: Path) -> Iterator[Server]:
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("needs OpenSSH's server: apt-get install openssh-server")
    for name in ("host-key", "user-key"):
        pair = keys.generate(keys.KeyType.ED25519, 0, "benchmark")
        pair.write_private(folder / name)
        (folder / f"{name}.pub").write_text(f"{pair.public}\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host-key",
        "AuthorizedKeysFile": folder / "user-key.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "Subsystem": "sftp internal-sftp",
    }
    config = folder / "sshd_config"
    config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        yield Server(getpass.getuser(), Endpoint("127.0.0.1", port), folder / "user-key")
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
