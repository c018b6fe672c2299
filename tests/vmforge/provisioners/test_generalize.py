"""`generalize`: the real script, run by several shells on the files that each family of systems has."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed, CommunicatorError, VmforgeError
from vmforge.provisioners.generalize import GeneralizeProvisioner
from vmforge.provisioners.generalize.operations import Operation, script
from vmforge.provisioners.generalize.report import Report
from vmforge.sdk import Provisioner
from vmforge.sdk.testing import FakeCommunicator, FakeMachine, RecordingUi, configure, fake_context

ROOT = Path(__file__).resolve().parents[3]
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}

# What any system has that must go, and what must stay.
_SSH = {f"etc/ssh/ssh_host_{kind}_key{end}": "K" for kind in ("rsa", "ed25519") for end in ("", ".pub")}
_COMMON = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nforge:x:1000:1000::/home/forge:/bin/sh\n",
    "etc/passwd-": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/ssh/sshd_config": "Port 22\n",
    "root/.bash_history": "passwd\n",
    "home/forge/.python_history": "secret\n",
    "home/forge/.ssh/authorized_keys": "ssh-ed25519 AAAA forge\n",
    "var/log/messages": "line\n",
    "var/log/messages-20260101": "line\n",
    "var/log/old.log.1.gz": "line\n",
    "tmp/left over/file": "x",
    "tmp/.hidden": "x",
    "var/tmp/systemd-private-1-x/tmp": "x",
}
_KEPT = {
    "etc/passwd",
    "var/log/messages",
    "etc/ssh/sshd_config",
    "home/forge/.ssh/authorized_keys",
    "var/tmp/systemd-private-1-x/tmp",
}

_SYSTEMD = {
    "usr/lib/systemd/systemd": "ELF",
    "run/systemd/system/.keep": "",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "var/lib/systemd/random-seed": "R",
    "var/log/journal/0123/system.journal": "J",
}

_SYSTEMD_KEPT = {
    "etc/os-release",
    "usr/lib/systemd/systemd",
    "run/systemd/system/.keep",
    "run/systemd/system/systemd-random-seed.service.d/unsaved.conf",
    "etc/machine-id",
}


@dataclass(frozen=True)
class Family:
    """A family's own files, what of them stays (emptied or as it was), and who makes new host keys."""

    files: Mapping[str, str]
    keys: str
    kept: set[str]


def release(**fields: str) -> dict[str, str]:
    return {"etc/os-release": "".join(f'{name}="{value}"\n' for name, value in fields.items())}


FAMILIES = {
    "debian": Family(
        release(ID="debian", PRETTY_NAME="Debian GNU/Linux 12 (bookworm)")
        | _SYSTEMD
        | {
            "lib/systemd/system/ssh.service": "ExecStartPre=/usr/sbin/sshd -t\n",
            "usr/bin/ssh-keygen": "ELF",
            "var/lib/dbus/machine-id": "0123456789abcdef0123456789abcdef\n",
            "var/lib/dhcp/dhclient.eth0.leases": "lease",
            "var/lib/cloud/instance/id": "i-1",
            "var/cache/apt/archives/bash.deb": "D",
            "var/lib/apt/lists/deb_Packages": "P",
            "var/log/installer/cdebconf/questions.dat": "Value: secret",
            "var/lib/ubuntu-advantage/private/machine-token.json": "{}",
        },
        keys="vmforge-ssh-host-keys.service, added",
        kept=_SYSTEMD_KEPT
        | {
            "lib/systemd/system/ssh.service",
            "usr/bin/ssh-keygen",
            "etc/systemd/system/vmforge-ssh-host-keys.service",
            "etc/systemd/system/multi-user.target.wants/vmforge-ssh-host-keys.service",
            "var/lib/dbus/machine-id",
        },
    ),
    "fedora": Family(
        release(ID="fedora", PRETTY_NAME="Fedora Linux 41 (Server Edition)")
        | _SYSTEMD
        | {
            "usr/lib/systemd/system/sshd.service": "Wants=sshd-keygen.target\n",
            "root/anaconda-ks.cfg": "rootpw --iscrypted x",
            "var/cache/libdnf5/fedora/repo.solv": "S",
            "var/lib/NetworkManager/secret_key": "S",
            "var/lib/NetworkManager/internal-1-eth0.lease": "L",
            "etc/NetworkManager/system-connections/eth0.nmconnection": "[ethernet]\nmac-address=52:54:00:1\n",
            "etc/pki/consumer/cert.pem": "C",
        },
        keys="/usr/lib/systemd/system/sshd.service",
        kept=_SYSTEMD_KEPT
        | {
            "usr/lib/systemd/system/sshd.service",
            "etc/NetworkManager/system-connections/eth0.nmconnection",
        },
    ),
    "suse": Family(
        release(ID="opensuse-leap", ID_LIKE="suse opensuse", PRETTY_NAME="openSUSE Leap 15.6")
        | _SYSTEMD
        | {
            "usr/lib/systemd/system/sshd.service": "ExecStartPre=/usr/sbin/sshd-gen-keys-start\n",
            "var/lib/wicked/lease-eth0-dhcp-ipv4.xml": "L",
            "var/lib/zypp/AnonymousUniqueId": "U",
            "var/cache/zypp/raw/repo/x": "R",
            "etc/zypp/credentials.d/SCCcredentials": "password=x",
            "var/adm/autoinstall/cache/installedSystem.xml": "X",
        },
        keys="/usr/lib/systemd/system/sshd.service",
        kept=_SYSTEMD_KEPT | {"usr/lib/systemd/system/sshd.service"},
    ),
    "arch": Family(
        release(ID="arch", NAME="Arch Linux")
        | _SYSTEMD
        | {
            "usr/lib/systemd/system/sshdgenkeys.service": "ExecStart=/usr/bin/ssh-keygen -A\n",
            "var/cache/pacman/pkg/bash.pkg.tar.zst": "P",
            "var/lib/dhcpcd/eth0.lease": "L",
        },
        keys="/usr/lib/systemd/system/sshdgenkeys.service",
        kept=_SYSTEMD_KEPT | {"usr/lib/systemd/system/sshdgenkeys.service"},
    ),
    "alpine": Family(
        release(ID="alpine", PRETTY_NAME="Alpine Linux v3.20")
        | {
            "etc/init.d/sshd": "ssh-keygen -A\n",
            "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
            "var/cache/apk/APKINDEX.tar.gz": "A",
            "var/lib/seedrng/seed.credit": "S",
            "root/.ash_history": "x\n",
        },
        keys="/etc/init.d/sshd",
        kept={"etc/os-release", "etc/init.d/sshd"},
    ),
    "freebsd": Family(
        release(ID="freebsd", PRETTY_NAME="FreeBSD 14.1-RELEASE")
        | {
            "etc/rc.d/sshd": "ssh-keygen\n",
            "etc/rc.d/hostid": "generate\n",
            "etc/hostid": "uuid\n",
            "entropy": "E",
            "var/db/entropy/saved-entropy.1": "E",
            "var/db/dhclient.leases.em0": "L",
            "var/cache/pkg/bash.pkg": "P",
        },
        keys="/etc/rc.d/sshd",
        kept={"etc/os-release", "etc/rc.d/sshd", "etc/rc.d/hostid"},
    ),
    "openbsd": Family(
        {
            "etc/rc": "ssh-keygen -A\n",
            "etc/random.seed": "S",
            "var/db/host.random": "S",
            "var/db/dhcpleased/em0": "L",
        },
        keys="/etc/rc",
        kept={"etc/rc"},
    ),
}


def plant(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a system's files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def left(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink()
    }


def run(folder: Path, shell: str = "dash", *, hostname: str = "", **changes: str) -> Report:
    """Run the script on a tree; its status, its standard error and every line have to be right."""
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"{shell} is not installed")
    path = folder.parent / "generalize.sh"
    path.write_text(script(tuple(Operation), hostname))
    done = subprocess.run(
        [*SHELLS[shell], path],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"GENERALIZE_ROOT": str(folder)} | changes,
    )
    report = Report()
    assert all(report.read(line) for line in done.stdout.splitlines()), done.stdout
    assert (done.returncode, done.stderr) == (1 if report.failed else 0, "")
    return report


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family(tmp_path: Path, name: str, shell: str) -> None:
    family = FAMILIES[name]
    system = plant(tmp_path / "system", _COMMON | _SSH | family.files)
    report = run(system, shell)
    assert report.failed == {}
    assert left(system) == _KEPT | family.kept
    assert (system / "var/log/messages").read_text() == ""
    assert f"2 SSH host keys (new ones: {family.keys})" in report.done
    if name != "openbsd":
        assert report.system == family.files["etc/os-release"].splitlines()[-1].split('"')[1]
    again = run(system, shell)
    assert again.done == []


def test_the_machine_id_is_empty_for_systemd(tmp_path: Path) -> None:
    system = plant(tmp_path / "system", _COMMON | _SSH | FAMILIES["debian"].files)
    run(system)
    assert (system / "etc/machine-id").read_text() == ""
    assert (system / "var/lib/dbus/machine-id").readlink() == Path("/etc/machine-id")


def test_addresses_of_network_cards(tmp_path: Path) -> None:
    cards = {
        "etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nHWADDR=52:54:00:00:00:01\nONBOOT=yes\n",
        "etc/netplan/00-installer.yaml": "      macaddress: 52:54:00:00:00:01\n",
        "etc/udev/rules.d/70-persistent-net.rules": "x",
    }
    system = plant(tmp_path / "system", _COMMON | cards)
    report = run(system)
    lines = (system / "etc/sysconfig/network-scripts/ifcfg-eth0").read_text()
    assert lines == "DEVICE=eth0\nONBOOT=yes\n"
    note = "; `/etc/netplan/00-installer.yaml` names the address of a network card"
    assert f"leases and names of the network{note}" in report.done


def test_host_keys_stay_where_nothing_makes_new_ones(tmp_path: Path) -> None:
    files = _COMMON | _SSH | {"etc/dropbear/dropbear_rsa_host_key": "K", "etc/init.d/ssh": "start\n"}
    system = plant(tmp_path / "system", files)
    report = run(system)
    assert "stay: nothing makes new ones when this guest boots" in report.skipped["ssh-host-keys"]
    assert set(_SSH) <= left(system)
    assert "etc/dropbear/dropbear_rsa_host_key" in left(system)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("proc/17/cmdline", "/usr/sbin/dropbear\0-FR\0-p\x0022\0"),
        ("etc/init.d/dropbear", "dropbearkey -t rsa\n"),
    ],
)
def test_host_keys_of_dropbear(tmp_path: Path, path: str, content: str) -> None:
    files = _COMMON | {"etc/dropbear/dropbear_rsa_host_key": "K", path: content}
    system = plant(tmp_path / "system", files)
    report = run(system)
    assert any(text.startswith("1 SSH host key (new ones: ") for text in report.done)
    assert "etc/dropbear/dropbear_rsa_host_key" not in left(system)


def test_names(tmp_path: Path) -> None:
    files = {
        "etc/hostname": "old\n",
        "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\told.lan old\n",
        "etc/rc.conf": 'sshd_enable="YES"\nhostname="old"\n',
    }
    system = plant(tmp_path / "system", _COMMON | files)
    report = run(system, hostname="new")
    assert report.done[-1] == "hostname `new`"
    assert (system / "etc/hostname").read_text() == "new\n"
    assert (system / "etc/hosts").read_text() == "127.0.0.1\tlocalhost\n127.0.1.1\tnew\n"
    assert (system / "etc/rc.conf").read_text() == 'sshd_enable="YES"\nhostname="new"\n'


def test_what_is_mounted_stays(tmp_path: Path) -> None:
    system = plant(tmp_path / "system", _COMMON | {"tmp/share/of the host": "precious"})
    programs = plant(
        tmp_path / "bin", {"mount": f"#!/bin/sh\necho host on {system}/tmp/share type 9p '(rw)'\n"}
    )
    (programs / "mount").chmod(0o755)
    run(system, PATH=f"{programs}:{os.environ['PATH']}")
    assert "tmp/share/of the host" in left(system)
    assert "tmp/.hidden" not in left(system)


def test_a_failing_operation_does_not_stop_the_others(tmp_path: Path) -> None:
    system = plant(tmp_path / "system", _COMMON)
    programs = plant(
        tmp_path / "bin", {"rm": '#!/bin/sh\ncase $* in */.hidden*) exit 1 ;; esac\nexec /bin/rm "$@"\n'}
    )
    (programs / "rm").chmod(0o755)
    report = run(system, PATH=f"{programs}:{os.environ['PATH']}")
    assert list(report.failed) == ["temporary-files"]
    assert any(text.startswith("logs (") for text in report.done)


class Guest:
    """A guest whose files are below a folder, while its commands are this machine's."""

    def __init__(self, folder: Path, root: str = "") -> None:
        self.system = plant(folder / "system", _COMMON | _SSH | FAMILIES["alpine"].files)
        self.folder, self.root = folder, root or str(self.system)
        self.ui = RecordingUi()
        self.communicator = FakeCommunicator(Path("/"), self._respond)

    def _respond(self, command: str) -> tuple[int, str]:
        environment = os.environ | {"GENERALIZE_ROOT": self.root}
        done = subprocess.run(
            ["/bin/sh", "-c", command], check=False, capture_output=True, text=True, env=environment
        )
        return done.returncode, done.stdout + done.stderr

    def run(self, **options: Any) -> None:
        component = configure(GeneralizeProvisioner, {"remote_folder": str(self.folder)} | options)
        assert isinstance(component, Provisioner)
        context = fake_context(self.folder, communicator=self.communicator, ui=self.ui)
        component.provision(context, FakeMachine(self.communicator))


def test_the_report(tmp_path: Path) -> None:
    guest = Guest(tmp_path)
    guest.run(operations=["logs", "ssh-host-keys", "cloud-init"])
    assert guest.ui.texts("message") == [
        "nothing to remove: cloud-init",
        "generalized Alpine Linux v3.20: 2 SSH host keys (new ones: /etc/init.d/sshd), logs (3 files)",
    ]
    assert [path.name for path in tmp_path.glob("*.sh")] == []
    assert "etc/machine-id" in left(guest.system)


@pytest.mark.parametrize(("operations", "forgotten"), [(["logs"], 0), (["logs", "ssh-host-keys"], 1)])
def test_the_connection_is_told_that_the_host_keys_are_gone(
    operations: list[str], forgotten: int, tmp_path: Path
) -> None:
    class Pinning(FakeCommunicator):
        forgotten = 0

        def forget_host_key(self) -> None:
            self.forgotten += 1

    guest = Guest(tmp_path)
    guest.communicator = Pinning(Path("/"), guest._respond)
    guest.run(operations=operations)
    assert guest.communicator.forgotten == forgotten


def test_skip(tmp_path: Path) -> None:
    guest = Guest(tmp_path)
    guest.run(skip=["ssh-host-keys"])
    assert set(_SSH) <= left(guest.system)
    assert "etc/machine-id" not in left(guest.system)


def test_root_is_needed(tmp_path: Path) -> None:
    guest = Guest(tmp_path)
    with pytest.raises(CommandFailed, match="was not generalized: status 1") as caught:
        guest.run(execute_command="echo 'sudo: a password is required' && false {{ .Path }}")
    assert guest.ui.texts("stdout") == ["sudo: a password is required"]
    assert "`execute_command`" in caught.value.hint


def test_failures_are_named(tmp_path: Path) -> None:
    guest = Guest(tmp_path)
    command = "echo 'generalize: system X'; echo 'generalize: failed logs: no'; false {{ .Path }}"
    with pytest.raises(CommandFailed, match="could not be generalized: `logs` failed"):
        guest.run(execute_command=command)


def test_a_lost_connection(tmp_path: Path) -> None:
    guest = Guest(tmp_path)

    def lose(command: str) -> tuple[int, str]:
        raise CommunicatorError("gone")

    guest.communicator.respond = lose
    with pytest.raises(CommunicatorError):
        guest.run()


def test_windows(tmp_path: Path) -> None:
    guest = Guest(tmp_path)
    guest.communicator.kind = "winrm"
    with pytest.raises(VmforgeError, match="knows nothing of Windows"):
        guest.run()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skip": ["machine-ids"]}, "did you mean `machine-id`?"),
        ({"operations": ["logs"], "skip": ["logs"]}, "there is nothing to take out"),
        ({"operations": ["logs"], "skip": ["histories"]}, "is to be skipped, but is not among"),
        ({"hostname": "my_host"}, "`my_host` cannot be a host name"),
        ({"execute_command": "sh {{ .Vars }}"}, "unknown field `.Vars`"),
    ],
)
def test_options_that_are_wrong(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(GeneralizeProvisioner, options)
    assert message in str(caught.value)


@pytest.mark.parametrize("operation", Operation)
def test_the_documentation_names_every_operation(operation: Operation) -> None:
    assert f"`{operation}`" in (ROOT / "docs/clean-images.md").read_text()
