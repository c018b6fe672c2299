"""A secret in every place where one can be given, each with a value of its own: after builds that succeed,
fail and crash, none is in any output, log, record or process's command line, in whichever form."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.fakes.openssh import SSHD, OpenSsh
from tests.integration.conftest import Finished, Running, Vmforge

TEMPLATE = Path(__file__).parent / "secrets.pkr.hcl"
VARIABLES = (
    "environment",
    "flag",
    "file",
    "json",
    "auto",
    "variables",
    "text",
    "sudo",
    "ansible",
    "shell_local",
)
LITERALS = ("ssh-password", "bastion-password", "proxy-password", "winrm-password")


# Of this process: tests that run beside this one have processes with theirs.
CANARY = f"cnry{os.getpid()}"


def secret(place: str) -> str:
    """Needs quoting everywhere, but begins and ends with what needs none: its middle is looked for too."""
    return f"{CANARY}-{place}-Zq7 'x\"y&$z/é+%\\ {place}-end-{CANARY}"


def forms(place: str) -> list[str]:
    """As it is and encoded: independent of what the redactor thinks the forms are."""
    value = secret(place)
    found = [
        value,
        f"{CANARY}-{place}-",
        f"{place}-end-{CANARY}",
        shlex.quote(value),
        json.dumps(value)[1:-1],
    ]
    found += [quote(value), quote(value, safe=""), quote_plus(value)]
    for before in range(3):
        text = base64.b64encode(b"\0" * before + value.encode()).decode()
        found.append(text[4:-4])
        found.append(text[4:24])  # its beginning is leak enough
    return found


PLACES = (*VARIABLES, "custom_data", *LITERALS)


@dataclass
class Watcher:
    """Looks at all processes, again and again, but for vmforge itself: what the user says on its command line
    and in its environment is theirs."""

    arguments: set[str] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watcher:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.03):
            for folder in Path("/proc").glob("[0-9]*"):
                environment, arguments = self._read(folder / "environ"), self._read(folder / "cmdline")
                # a child that has not begun its program yet looks like vmforge
                if " -m vmforge " not in arguments and int(folder.name) != os.getpid():
                    self.arguments.add(arguments)
                    self.environments.add(environment)

    @staticmethod
    def _read(path: Path) -> str:
        try:
            return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""


@dataclass
class Bench:
    """A folder with the template and its variables, a server to build on, and all that came out of it."""

    vmforge: Vmforge
    server: OpenSsh
    said: list[str] = field(default_factory=list)
    inputs: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        folder = self.vmforge.folder
        text = TEMPLATE.read_text()
        for place in LITERALS:
            text = text.replace(f'"{place}-PLACE"', json.dumps(secret(place)))
        self._write("secrets.pkr.hcl", text)
        self._write("file.pkrvars.hcl", f"file = {json.dumps(secret('file'))}\n")
        self._write("x.auto.pkrvars.hcl", f"auto = {json.dumps(secret('auto'))}\n")
        others = {name: secret(name) for name in (*VARIABLES[5:], "custom_data")}
        where = {"port": self.server.port, "key": str(self.server.key), "folder": str(folder)}
        self._write("more.pkrvars.json", json.dumps(others | where | {"json": secret("json")}))
        self._write("playbook.yml", "- hosts: all\n")
        self._write("ansible-playbook", '#!/bin/sh\nsleep 0.4; echo playing "$@"; cat ${3#@}; env\n').chmod(
            0o755
        )
        self.inputs.add(folder / "uploaded")
        log = {"PACKER_LOG": "1", "VMFORGE_LOG": "trace", "PACKER_LOG_PATH": str(folder / "log")}
        self.vmforge.environment |= {"PKR_VAR_environment": secret("environment"), **log}

    def _write(self, name: str, text: str) -> Path:
        path = self.vmforge.folder / name
        path.write_text(text)
        self.inputs.add(path)
        return path

    @property
    def values(self) -> list[str]:
        flags = [
            "-var-file=file.pkrvars.hcl",
            "-var-file=more.pkrvars.json",
            "-var",
            f"flag={secret('flag')}",
        ]
        return [*flags]

    def start(self, command: str, *arguments: str) -> Running:
        return self.vmforge.start(*command.split(), *self.values, *arguments, ".")

    def finish(self, running: Running) -> Finished:
        ended = running.finish()
        self.said += [ended.out, ended.err]
        return ended

    def run(self, command: str, *arguments: str) -> Finished:
        return self.finish(self.start(command, *arguments))

    def leaks(self, *, scratch: bool = True) -> list[str]:
        """Every secret that is where none belongs, with the place."""
        texts = {"the output": "\n".join(self.said)}
        for root in (self.vmforge.folder, self.vmforge.state, self.vmforge.cache):
            for path in root.rglob("*"):
                is_scratch = not scratch and path.is_relative_to(self.vmforge.state / "runs")
                if path.is_file() and path not in self.inputs and not is_scratch:
                    texts[str(path)] = path.read_bytes().decode(errors="replace")
        return found_in(texts)


def found_in(texts: dict[str, str], places: tuple[str, ...] = PLACES) -> list[str]:
    found = []
    for where, text in texts.items():
        for place in places:
            for form in forms(place):
                if form in text:
                    at = text.index(form)
                    found.append(f"{place} in {where}: ...{text[max(0, at - 60) : at + 60]}...")
                    break
    return found


@pytest.fixture
def bench(vmforge: Vmforge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    if SSHD is None:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    if os.getuid() != 0:
        pytest.skip("the template logs in as root")
    server = OpenSsh(tmp_path_factory.mktemp("sshd"), settings=("Subsystem sftp internal-sftp",))
    server.prepare()
    server.start()
    yield Bench(vmforge, server)
    server.stop()


def test_build_that_succeeds(bench: Bench) -> None:
    with Watcher() as seen:
        ended = bench.run("build", "--timings", "timings.json")
    assert ended.status == 0, ended.out + ended.err
    assert ended.out.count("<sensitive>") > 20
    assert "playing" in ended.out
    assert bench.leaks() == []
    assert (bench.vmforge.folder / "uploaded").read_text() == secret("file")
    assert "003csensitive" in (bench.vmforge.folder / "manifest.json").read_text()
    assert any("ansible-playbook" in text for text in seen.arguments), "nothing was watched"
    assert found_in({text[:60]: text for text in seen.arguments}) == []
    given = {"variables", "json", "shell_local"}  # to scripts
    others = tuple(place for place in PLACES if place not in given)
    assert found_in({text[:40]: text for text in seen.environments}, others) == []


def test_build_that_fails(bench: Bench) -> None:
    words = secret("text")
    ended = bench.run("-machine-readable build", "-var", f"last=echo {shlex.quote(words)} >&2; exit 3")
    assert ended.status == 1
    assert "exit status 3" in ended.out
    assert bench.leaks() == []


def test_build_that_is_killed(bench: Bench) -> None:
    running = bench.start("build", "-var", "last=echo started-in-guest; sleep 60")
    running.wait_for("started-in-guest")
    running.kill()
    bench.finish(running)
    # its scratch folder, which only the user may read, goes with the next run
    assert bench.leaks(scratch=False) == []
    assert bench.run("build").status == 0
    assert bench.leaks() == []


BUG = """
import sys
from vmforge.provisioners.shell import ShellProvisioner

def provision(self, context, machine):
    raise ValueError(f"cannot make anything of {self.config.env!r} and {self.config.inline}")

ShellProvisioner.provision = provision
from vmforge.cli import main
sys.argv = ["vmforge", *sys.argv[1:]]
main()
"""


def test_build_with_a_bug(bench: Bench) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BUG, "build", *bench.values, "."],
        cwd=bench.vmforge.folder,
        env=bench.vmforge.environment | {"PYTHONPATH": str(TEMPLATE.parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    bench.said += [ended.stdout, ended.stderr]
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr and "ValueError: cannot make anything of" in ended.stderr
    assert bench.leaks() == []


def test_looking_at_the_template(bench: Bench) -> None:
    assert bench.run("inspect").status == 0
    assert bench.run("inspect --json").status == 0
    assert bench.run("-machine-readable inspect").status == 0
    assert bench.run("validate").status == 0
    questions = "\n".join(f"var.{name}\nbase64encode(var.{name})\n" for name in VARIABLES)
    told = subprocess.run(
        [sys.executable, "-m", "vmforge", "console", *bench.values, "."],
        input=questions,
        cwd=bench.vmforge.folder,
        env=bench.vmforge.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    bench.said += [told.stdout, told.stderr]
    assert told.stdout.count("<sensitive>") >= 2 * len(VARIABLES)
    # a mistake beside each secret shows its line
    template = bench.vmforge.folder / "secrets.pkr.hcl"
    text = template.read_text()
    template.write_text(re.sub(r"(ssh|bastion|proxy|winrm)_password ", r"\1_passwrd ", text))
    assert bench.run("validate").status == 1
    assert "passwrd" in bench.said[-1]
    template.write_text(
        json.dumps({"source": {"null": {"x": {"ssh_password": secret("ssh-password"), "ssh_prt": 1}}}})
    )
    shutil.move(template, template.with_name("one-line.pkr.json"))
    bench.inputs.add(template.with_name("one-line.pkr.json"))
    assert bench.run("validate").status == 1
    assert bench.leaks() == []


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


DELIVERIES = """
variable "token" {
  sensitive = true
}
source "file" "box" {
  content = "no box"
  target  = "it.box"
}
source "qemu" "installed" {
  iso_url      = "http://me:cnry-url-Zq7-url-end@127.0.0.1:PORT/medium.iso?key=cnry-query-Zq7-query-end"
  iso_checksum = "sha256:CHECKSUM"
  communicator = "none"
}
build {
  name    = "uploaded"
  sources = ["file.box"]
  post-processor "upload" {
    urls = ["http://me:cnry-upload-Zq7-upload-end@127.0.0.1:1/x", "http://127.0.0.1:1/${var.token}"]
  }
}
build {
  name    = "registered"
  sources = ["file.box"]
  post-processors {
    post-processor "vagrant-cloud" {
      access_token      = "cnry-cloud-Zq7-cloud-end"
      vagrant_cloud_url = "http://127.0.0.1:1"
      box_tag           = "me/box"
      version           = "1.0.0"
    }
  }
}
build {
  name    = "installed"
  sources = ["qemu.installed"]
}
"""


def test_servers_with_logins(vmforge: Vmforge, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Downloads and uploads that fail; the second download finds what is recorded of the first."""
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "medium.iso").write_bytes(os.urandom(2 << 20))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        text = DELIVERIES.replace("PORT", str(server.server_port)).replace("CHECKSUM", "0" * 64)
        (vmforge.folder / "x.pkr.hcl").write_text(text)
        vmforge.environment["PKR_VAR_token"] = "cnry-token-Zq7-token-end"
        runs = [vmforge.run("build", "-force", "x.pkr.hcl") for _ in range(2)]
        server.shutdown()
    assert [run.status for run in runs] == [1, 1]
    texts = {"the output": "".join(run.out + run.err for run in runs)}
    assert texts["the output"].count(" failed: ") == 6, texts["the output"]
    for root in (vmforge.folder, vmforge.state, vmforge.cache):
        found = [path for path in root.rglob("*") if path.is_file() and path.name != "x.pkr.hcl"]
        texts |= {str(path): path.read_bytes().decode(errors="replace") for path in found}
    assert [name for name, text in texts.items() if "cnry-" in text] == []


MACHINE_PLACES = ("guest", "typed", "url", "layered")


def plain_secret(place: str) -> str:
    """One that can be typed, and stand in a URL and in the answers of the test guest's installer."""
    return f"{CANARY}-{place}-Zq7-{place}-end"


MACHINE_TEMPLATE = """
variable "guest" {
  sensitive = true
}
variable "typed" {
  sensitive = true
}
variable "layered" {
  sensitive = true
}
variable "iso" {}
variable "last" {
  default = "true"
}
source "qemu" "tiny" {
  iso_url          = var.iso
  iso_checksum     = "none"
  http_content     = { "/tiny.cfg" = "hostname=tiny\\nuser=forge\\npassword=${var.guest}\\n" }
  disk_size        = "512M"
  memory           = 512
  headless         = true
  boot_wait        = "3s"
  boot_command     = ["install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tiny.cfg note=${var.typed}<enter>"]
  ssh_username     = "forge"
  ssh_password     = var.guest
  shutdown_command = "echo '${var.guest}' | sudo -S poweroff"
}
build {
  sources = ["qemu.tiny"]
  provisioner "shell" {
    env    = { A = var.layered }
    inline = ["echo \\"$A\\"; cat /proc/cmdline; ps -o args"]
  }
  provisioner "shell" {
    inline = [var.last]
  }
  post-processor "manifest" {
    custom_data = { password = var.guest }
  }
}
"""


@pytest.fixture
def iso_server(guest_iso: Path) -> Iterator[str]:
    """The CD behind a URL with a password in it; any will do."""
    handler = partial(QuietHandler, directory=str(guest_iso.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://me:{plain_secret('url')}@127.0.0.1:{server.server_port}/{guest_iso.name}"
        server.shutdown()


@pytest.mark.machine
@pytest.mark.slow
def test_machine(vmforge: Vmforge, iso_server: str) -> None:
    """Builds that fail, succeed, and begin from a layer. Images, the guest's memory and pictures of its
    screen are the guest's own: it was told the secrets."""
    (vmforge.folder / "tiny.pkr.hcl").write_text(MACHINE_TEMPLATE)
    names = ("guest", "typed", "layered")
    vmforge.environment |= {f"PKR_VAR_{name}": plain_secret(name) for name in names}
    vmforge.environment["PKR_VAR_iso"] = iso_server
    with Watcher() as seen:
        failed = vmforge.run("build", "-var", "last=exit 3", "tiny.pkr.hcl")
        built = vmforge.run("build", "tiny.pkr.hcl")
        again = vmforge.run("build", "-force", "-var", "last=uname", "tiny.pkr.hcl")
        listed = vmforge.run("cache", "ls"), vmforge.run("build", "-explain", "tiny.pkr.hcl")
    runs = [failed, built, again, *listed]
    assert [run.status for run in runs] == [1, 0, 0, 0, 0], "".join(run.out + run.err for run in runs)
    assert "going on after" in again.out
    assert "<sensitive>" in failed.out
    texts = {"the output": "".join(run.out + run.err for run in runs)}
    own = re.compile(r"\.qcow2|/memory|\.png$|/output-|/disk|\.iso$")
    for root in (vmforge.folder, vmforge.state, vmforge.cache):
        for path in root.rglob("*"):
            if path.is_file() and not own.search(str(path)):
                texts[str(path)] = path.read_bytes().decode(errors="replace")
    assert any(path.endswith("values.json") for path in texts), "no layer was looked at"
    assert [name for name, text in texts.items() if CANARY in text] == []
    assert [text for text in (*seen.arguments, *seen.environments) if CANARY in text] == []
    encoded = [base64.b64encode(plain_secret(place).encode()).decode()[:-4] for place in MACHINE_PLACES]
    assert [name for name, text in texts.items() if any(form in text for form in encoded)] == []
