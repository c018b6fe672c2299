"""Compares vmforge's uploads with those of OpenSSH's `sftp` and `scp` and of Packer's `file` provisioner,
into the same server in turns: one large file, and a tree of small ones.

    python tests/benchmarks/uploads.py                           a server of its own on this machine
    python tests/benchmarks/uploads.py --key FILE USER@HOST:PORT    a running guest
    python tests/benchmarks/uploads.py --download                downloads too, against `sftp`

Prints the best of some rounds in seconds as a Markdown table, and vmforge's ratio to the best of the others.
vmforge, `sftp` and `scp` are timed with their login; `connected` is vmforge without it, as Packer can be
timed only from its line "Uploading" to the end of its build.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vmforge.communicators import keys
from vmforge.communicators.ssh import SshConnector
from vmforge.sdk import Communicator, Endpoint
from vmforge.sdk.testing import configure, fake_context

REMOTE = "/tmp/vmforge-benchmark"
SMALLEST, LARGEST = 1024, 20 * 1024
FILES_IN_A_FOLDER = 50


@dataclass(frozen=True)
class Server:
    """Where everything goes. `emulated` is a guest under software emulation."""

    user: str
    endpoint: Endpoint
    key: Path
    emulated: bool = False

    def options(self, port_flag: str) -> list[str]:
        """What `ssh`, `sftp` and `scp` are given to reach it without a question."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        options.append("ConnectionAttempts=10")
        flags = [part for option in options for part in ("-o", option)]
        return [*flags, "-i", str(self.key), port_flag, str(self.endpoint.port)]

    @property
    def place(self) -> str:
        return f"{self.user}@{self.endpoint.host}"

    def command(self, text: str) -> None:
        run(["ssh", *self.options("-p"), self.place, text])


# Uploads a file or a folder below REMOTE, and returns the seconds that count.
Upload = Callable[[Server, Path], float]


def by_vmforge(server: Server, source: Path) -> float:
    def upload() -> None:
        connection = connect(server, source.parent)
        send(connection, source)

    return seconds(upload)


def by_vmforge_connected(server: Server, source: Path) -> float:
    connection = connect(server, source.parent)
    return seconds(lambda: send(connection, source))


def send(connection: Communicator, source: Path) -> None:
    if source.is_dir():
        connection.upload_directory(source, f"{REMOTE}/{source.name}")
    else:
        connection.upload(source, f"{REMOTE}/{source.name}")
    connection.close()


def by_sftp(server: Server, source: Path) -> float:
    line = f"put -r {source} {REMOTE}/" if source.is_dir() else f"put {source} {REMOTE}/"
    command = ["sftp", "-q", "-b", "-", *server.options("-P"), server.place]
    return seconds(lambda: run(command, line))


def by_scp(server: Server, source: Path) -> float:
    command = ["scp", "-q", "-r", *server.options("-P"), str(source), f"{server.place}:{REMOTE}/"]
    return seconds(lambda: run(command))


def by_packer(server: Server, source: Path) -> float:
    builder = {
        "type": "null",
        "ssh_host": server.endpoint.host,
        "ssh_port": server.endpoint.port,
        "ssh_username": server.user,
        "ssh_private_key_file": str(server.key),
    }
    provisioner = {"type": "file", "source": str(source), "destination": f"{REMOTE}/"}
    template = source.parent / "template.json"
    template.write_text(json.dumps({"builders": [builder], "provisioners": [provisioner]}))
    began = ended = 0.0
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "TMPDIR": str(source.parent)}
    command = ["packer", "build", "-color=false", str(template)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Uploading" in line and not began:
                began = time.monotonic()
            if line.startswith("Build 'null'"):
                ended = time.monotonic()
    if process.returncode or not began:
        sys.exit(f"error: packer failed:\n{''.join(lines)}")
    return ended - began


UPLOADS: Mapping[str, Upload] = {
    "vmforge": by_vmforge,
    "connected": by_vmforge_connected,
    "sftp": by_sftp,
    "scp": by_scp,
    "packer": by_packer,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("server", nargs="?", help="USER@HOST:PORT")
    parser.add_argument("--key", type=Path, help="the private key for it")
    parser.add_argument("--emulated", action="store_true", help="it runs under software emulation")
    parser.add_argument("--mebibytes", type=int, default=512, help="the size of the file; 0 for none")
    parser.add_argument("--files", type=int, default=5000, help="files in the tree; 0 for no tree")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tools", default=",".join(UPLOADS), help="which, separated by commas")
    parser.add_argument("--download", action="store_true", help="also fetch the file, with sftp and vmforge")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sources = make_sources(Path(name), arguments.mebibytes, arguments.files)
        with chosen_server(arguments, Path(name)) as server:
            ours = ("vmforge", "connected")
            tools = [tool for tool in arguments.tools.split(",") if tool in ours or shutil.which(tool)]
            print(table(measure(server, sources, tools, arguments.rounds), tools))
            if arguments.download:
                compare_downloads(server, sources[0], arguments.rounds)
            server.command(f"rm -rf {REMOTE}")


def make_sources(folder: Path, mebibytes: int, files: int) -> list[Path]:
    """The file of noise and the tree, as far as they are wanted."""
    made = []
    if mebibytes:
        made.append(folder / "file")
        with made[-1].open("wb") as file:
            for _ in range(mebibytes):
                file.write(os.urandom(1 << 20))
    if files:
        made.append(folder / "tree")
        dice = random.Random(5000)
        for number in range(files):
            path = made[-1] / f"folder-{number // FILES_IN_A_FOLDER}" / f"file-{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(dice.randbytes(dice.randint(SMALLEST, LARGEST)))
    return made


@contextmanager
def chosen_server(arguments: argparse.Namespace, folder: Path) -> Iterator[Server]:
    if not arguments.server:
        with local_server(folder) as server:
            yield server
        return
    user, _, place = arguments.server.partition("@")
    host, _, port = place.rpartition(":")
    yield Server(user, Endpoint(host, int(port)), arguments.key, arguments.emulated)


def measure(
    server: Server, sources: Sequence[Path], tools: Sequence[str], rounds: int
) -> dict[str, dict[str, float]]:
    """The best seconds of each tool for each source; the tools take turns, so that a change of the machine's
    load hits all."""
    best: dict[str, dict[str, float]] = {source.name: {} for source in sources}
    for number in range(1, rounds + 1):
        for source in sources:
            for tool in tools:
                server.command(f"rm -rf {REMOTE}; mkdir {REMOTE}; sync")
                load = os.getloadavg()[0]
                took = UPLOADS[tool](server, source)
                known = best[source.name].get(tool, took)
                best[source.name][tool] = min(known, took)
                print(
                    f"round {number}: {source.name}: {tool}: {took:.2f} s (load {load:.1f})", file=sys.stderr
                )
    return best


def table(best: Mapping[str, Mapping[str, float]], tools: Sequence[str]) -> str:
    lines = [f"| | {' | '.join(tools)} | vmforge / best |", "|---|" + "---:|" * (len(tools) + 1)]
    for source, times in best.items():
        cells = " | ".join(f"{times[tool]:.2f}" for tool in tools)
        lines.append(f"| {source} | {cells} | **{ratio(times):.2f}** |")
    return "\n".join(lines)


def ratio(times: Mapping[str, float]) -> float:
    """vmforge's time to the best of the others, each timed as it was; 0 where there is nothing to compare."""
    pairs = [("vmforge", "sftp"), ("vmforge", "scp"), ("connected", "packer")]
    return max((times[own] / times[other] for own, other in pairs if {own, other} <= set(times)), default=0.0)


def compare_downloads(server: Server, source: Path, rounds: int) -> None:
    remote, back = f"{REMOTE}/{source.name}", source.with_name("back")
    by_vmforge(server, source)

    def ours() -> None:
        connection = connect(server, source.parent)
        connection.download(remote, back)
        connection.close()

    command = ["sftp", "-q", "-b", "-", *server.options("-P"), server.place]
    pairs = [(seconds(ours), seconds(lambda: run(command, f"get {remote} {back}"))) for _ in range(rounds)]
    own, other = (min(times) for times in zip(*pairs, strict=True))
    print(f"\ndownload: vmforge {own:.2f} s, sftp {other:.2f} s, ratio {own / other:.2f}")


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def run(command: Sequence[str], said: str = "") -> None:
    subprocess.run(command, input=said, text=True, check=True, stdout=subprocess.DEVNULL)


def connect(server: Server, scratch: Path) -> Communicator:
    values = {"ssh_username": server.user, "ssh_private_key_file": str(server.key)}
    connector = configure(SshConnector, values)
    assert isinstance(connector, SshConnector)
    scale = 10.0 if server.emulated else 1.0
    return connector.connect(fake_context(scratch), lambda: server.endpoint, time_scale=scale)


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
