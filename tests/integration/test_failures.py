"""What users see when something is wrong: each message as a golden, and nothing lost or left behind."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Finished, Traces, Vmforge

Golden = Callable[[str, str], None]


def shown(vmforge: Vmforge, ended: Finished) -> str:
    """Exit status and output with what differs from run to run taken out."""
    text = f"exit {ended.status}\n--- out\n{ended.out}--- err\n{ended.err}"
    text = text.replace(str(vmforge.folder), "FOLDER").replace(str(vmforge.state), "STATE")
    text = text.replace(vmforge.environment["VMFORGE_CACHE_DIR"], "CACHE")
    text = text.replace(vmforge.environment.get("PKR_VAR_iso", "no iso"), "ISO")
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"\(\d+ tries\)", "(N tries)", text)
    text = re.sub(r"vmforge-[0-9a-f]{12}", "vmforge-NAME", text)
    text = re.sub(r"\d+(\.\d+)? s\b|\d+m\d+s", "N s", text)
    text = re.sub(r"software emulation \([^:]*\):", "software emulation (REASON):", text)
    # the table of steps, which a quick failure lacks
    text = re.sub(r"(?m)^\nqemu\.tiny:\n(  \S.*  +N s\n)+", "", text)
    # what the guest showed meanwhile is test_diagnosis.py's
    return re.sub(r"(?ms)^(error: build [^\n]*\n)\n(?!hint:).*?(?=^hint: )", r"\1\n", text)


def check(golden: Golden, name: str, vmforge: Vmforge, ended: Finished, status: int = 1) -> None:
    assert ended.status == status, ended.out + ended.err
    golden(f"failures/{name}.txt", shown(vmforge, ended))


def test_unknown_option(tiny: Vmforge, golden: Golden) -> None:
    ended = tiny.run("validate", "--set", "memori=1", "tiny.pkr.hcl")
    check(golden, "unknown_option_set", tiny, ended)


def test_every_mistake_at_once(tiny: Vmforge, golden: Golden) -> None:
    template = tiny.folder / "tiny.pkr.hcl"
    text = template.read_text()
    text = text.replace("memory            = 512", 'memori            = 512\n  cpus              = "many"')
    text = text.replace('output         = "tiny.{{.ChecksumType}}"', 'output         = "tiny.{{.Checksum}}"')
    text = text.replace('provisioner "shell"', 'provisioner "shel"')
    template.write_text(text)
    check(golden, "every_mistake", tiny, tiny.run("build", "tiny.pkr.hcl"))


def test_missing_variable(tiny: Vmforge, golden: Golden) -> None:
    del tiny.environment["PKR_VAR_iso"]
    check(golden, "missing_variable", tiny, tiny.run("build", "tiny.pkr.hcl"))


def test_missing_template(tiny: Vmforge, golden: Golden) -> None:
    check(golden, "missing_template", tiny, tiny.run("build", "tinny.pkr.hcl"))


def test_no_template_at_all(tiny: Vmforge, golden: Golden) -> None:
    check(golden, "no_argument", tiny, tiny.run("build"), status=2)


def test_unreadable_iso(tiny: Vmforge, golden: Golden) -> None:
    ended = tiny.run("build", "-var", "iso=missing.iso", "tiny.pkr.hcl")
    check(golden, "unreadable_iso", tiny, ended)


def test_wrong_checksum(tiny: Vmforge, golden: Golden) -> None:
    iso = tiny.folder / "small.iso"
    iso.write_bytes(b"not what it should be")
    ended = tiny.run(
        "build", "-var", f"iso={iso}", "--set", "iso_checksum=sha256:" + "0" * 64, "tiny.pkr.hcl"
    )
    check(golden, "wrong_checksum", tiny, ended)


class _Truncating(http.server.BaseHTTPRequestHandler):
    """Promises 1000 bytes, sends 10, hangs up."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"0123456789")

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def truncating_server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Truncating)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/small.iso"
    server.shutdown()
    thread.join()
    server.server_close()


def test_truncated_download(tiny: Vmforge, golden: Golden, truncating_server: str) -> None:
    ended = tiny.run("build", "-var", f"iso={truncating_server}", "tiny.pkr.hcl")
    check(golden, "truncated_download", tiny, ended)


def test_output_directory_exists(tiny: Vmforge, golden: Golden) -> None:
    (tiny.folder / "output-tiny").mkdir()
    (tiny.folder / "output-tiny" / "precious").touch()
    check(golden, "output_directory_exists", tiny, tiny.run("build", "tiny.pkr.hcl"))
    assert (tiny.folder / "output-tiny" / "precious").exists()


def test_port_in_use(tiny: Vmforge, traces: Traces, golden: Golden) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        limits = ("--set", f"http_port_min={port}", "--set", f"http_port_max={port}")
        ended = tiny.run("build", *limits, "tiny.pkr.hcl")
    text = shown(tiny, ended).replace(str(port), "PORT")
    assert ended.status == 1
    golden("failures/port_in_use.txt", text)
    assert traces.left() == []


def test_no_libvirt(tiny: Vmforge, golden: Golden) -> None:
    missing = tiny.folder / "broken"
    missing.mkdir()
    (missing / "libvirt.py").write_text(
        'raise ImportError("libvirt.so.0: cannot open shared object file: No such file or directory")\n'
    )
    ended = tiny.run("build", "tiny.pkr.hcl", environment={"PYTHONPATH": str(missing)})
    check(golden, "no_libvirt", tiny, ended)


def test_no_qemu(tiny: Vmforge, golden: Golden) -> None:
    (tiny.folder / "qemu-img").symlink_to(shutil.which("qemu-img") or "/usr/bin/qemu-img")
    ended = tiny.run("build", "tiny.pkr.hcl", environment={"PATH": str(tiny.folder)})
    check(golden, "no_qemu", tiny, ended)


def test_no_qemu_img(tiny: Vmforge, golden: Golden) -> None:
    (tiny.folder / "qemu-system-x86_64").symlink_to(shutil.which("qemu-system-x86_64") or "/usr/bin/qemu")
    ended = tiny.run("build", "tiny.pkr.hcl", environment={"PATH": str(tiny.folder)})
    check(golden, "no_qemu_img", tiny, ended)


def test_kvm_that_is_not_there(tiny: Vmforge, golden: Golden) -> None:
    if re.search(r"(?m)^flags.*\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text()):
        pytest.skip("this machine's processor has hardware virtualization")
    ended = tiny.run("build", "tiny.pkr.hcl", environment={"VMFORGE_ACCELERATOR": "kvm"})
    check(golden, "no_kvm", tiny, ended)


@pytest.mark.machine
def test_guest_that_never_answers(tiny: Vmforge, traces: Traces, golden: Golden) -> None:
    limits = ("--set", "ssh_timeout=3s", "--set", "boot_command=[]", "--set", "http_content={}")
    check(golden, "never_answers", tiny, tiny.run("build", *limits, "tiny.pkr.hcl"))
    assert traces.left() == []


@pytest.mark.machine
def test_provisioner_that_fails(tiny: Vmforge, traces: Traces, golden: Golden) -> None:
    ended = tiny.run("build", "-var", "script=echo about to fail; exit 1", "tiny.pkr.hcl")
    assert ended.status == 1
    assert "    qemu.tiny: about to fail\n" in ended.out
    assert re.search(r"==> qemu.tiny: Failed after .* while provisioning with shell\n", ended.out)
    golden("failures/provisioner_fails.txt", ended.err)
    assert "secret-of-forge" not in ended.out + ended.err
    assert traces.left() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs rights")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.machine
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("no_disk_space", ["-layers=off", "--set", "output_directory=SMALL/out"]),
        ("no_disk_space_for_the_copy", ["--set", "output_directory=SMALL/out"]),
        ("no_disk_space_for_layers", []),
    ],
)
def test_no_disk_space(
    tiny: Vmforge, small_disk: Path, golden: Golden, name: str, arguments: list[str]
) -> None:
    if not arguments:
        tiny.use_cache(small_disk / "cache")
    given = [argument.replace("SMALL", str(small_disk)) for argument in arguments]
    ended = tiny.run("build", *given, "tiny.pkr.hcl")
    assert ended.status == 1
    text = re.sub(r"\d+(\.\d+)? ([KMG]i)?B", "N B", shown(tiny, ended))
    text = re.sub("layers/[0-9a-f]{16}", "layers/ID", text)
    golden(f"failures/{name}.txt", text[text.index("--- err") :])
    assert not (small_disk / "out").exists()
    assert list(small_disk.glob("cache/layers/*")) == []


@pytest.mark.machine
def test_a_machine_that_is_killed_is_noticed_at_once(tiny: Vmforge, traces: Traces) -> None:
    running = tiny.start("build", "-var", "boot_wait=5m", "tiny.pkr.hcl")
    running.wait_for("for the boot prompt")
    (pid,) = [path.read_text() for path in tiny.state.rglob("run/qemu/vmforge-*.pid")]
    os.kill(int(pid), 9)
    ended = running.finish(20)
    assert ended.status == 1
    assert re.search(r"vmforge-\w+", ended.err), ended.err
    assert traces.left() == []
