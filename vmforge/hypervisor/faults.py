"""libvirt's and QEMU's complaints as errors for a person: what happened and what mends it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from vmforge.errors import HostError, MachineError
from vmforge.hypervisor.library import libvirt
from vmforge.sdk.values import format_bytes

_QEMU_PREFIX = re.compile(r"(?:\d{4}-\d\d-\d\dT[\d:.]+Z )?(?:/\S*/)?(?:qemu-system-\S+|qemu-kvm): ")
# What libvirt writes into QEMU's log besides QEMU's own words.
_LIBVIRT_LINE = re.compile(r"\d{4}-\d\d-\d\d [\d:.]+\+\d{4}: ")
_PROCESS_ENDED = re.compile(
    r".*(?:process exited while connecting to monitor|unexpectedly closed the monitor)[^:]*:? ?", re.DOTALL
)

# (what libvirt says, what it means, what to do) when a connection cannot be opened.
_CONNECTING = (
    (
        r"Failed to parse user '(?P<user>[^']+)'",
        "libvirt's QEMU driver wants the system user `{user}`, which does not exist",
        "`apt install libvirt-daemon-system`, or create it: "
        "`useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {user}`",
    ),
    (
        r"Failed to parse group '(?P<group>[^']+)'",
        "libvirt's QEMU driver wants the system group `{group}`, which does not exist",
        "`apt install libvirt-daemon-system`, or create it: `groupadd --system {group}`",
    ),
    (
        r"[Nn]o connection driver available|Failed to load module|Unable to load .*driver",
        "libvirt's QEMU driver is not installed",
        "`apt install libvirt-daemon-driver-qemu libvirt-daemon-system`",
    ),
    (
        r"Failed to connect socket to '(?P<socket>[^']+)': Permission denied|authentication unavailable"
        r"|access denied by policy",
        "you may not use the libvirt daemon",
        "`sudo usermod -aG libvirt $USER` and log in again, or leave `libvirt_uri` out: "
        "the default needs no daemon",
    ),
    (
        r"Failed to connect socket to '(?P<socket>[^']+)'",
        "the libvirt daemon does not run (`{socket}` does not answer)",
        "`systemctl start libvirtd`, or leave `libvirt_uri` out: the default needs no daemon",
    ),
    (
        r"Host key verification failed|Permission denied \(|Could not resolve hostname|Connection refused"
        r"|Cannot recv data|End of file while reading",
        "the remote libvirt cannot be reached",
        "try `virsh -c URI version` by hand: it must work without a question",
    ),
)

# (what QEMU or libvirt says, what to do) when a machine cannot be started or dies.
_RUNNING = (
    (
        r"[Cc]ould not access KVM|failed to initialize kvm|i386/kvm|failed to set MSR"
        r"|not supported .*host.*kvm|/dev/kvm",
        "this host cannot run the guest with KVM; try `--set accelerator=tcg`",
    ),
    (
        r"KVM internal error|internal-error",
        "this host cannot run the guest with KVM; try `--set accelerator=tcg`",
    ),
    (r"Failed to get .*lock", "another machine uses the disk; end it, or use another `output_directory`"),
    (r"No space left|ENOSPC|enospc", "free some space on the disk that holds `output_directory`"),
    (r"[Cc]annot allocate memory|cannot set up guest memory", "lower `memory`"),
    (r"Permission denied", "let the user that QEMU runs as read and write the file named above"),
    (r"TPM version .* is not supported|swtpm", "`apt install swtpm swtpm-tools`"),
    (
        r"unsupported machine type|does not support machine type",
        "list the names with `qemu-system-x86_64 -machine help`",
    ),
    (
        r"not a valid device model name|is not a valid device",
        "list the names with `qemu-system-x86_64 -device help`",
    ),
    (
        r"[Uu]nable to find CPU model|[Uu]nknown CPU model",
        "list the names with `qemu-system-x86_64 -cpu help`",
    ),
    (r"OVMF|edk2|[Ff]irmware", "`apt install ovmf`"),
    (r"Address already in use|Failed to bind socket", "choose other ports"),
    (
        r"bridge helper|Cannot get interface MTU|Unable to add bridge",
        "create the bridge, and allow it in `/etc/qemu/bridge.conf`",
    ),
    (
        r"[Cc]annot check QEMU binary|no emulator|[Ff]ailed to find.*emulator|could not find capabilities",
        "`apt install qemu-system-x86`",
    ),
)


def connecting(error: libvirt.libvirtError, uri: str) -> HostError:
    """Why no connection could be opened."""
    said = message(error)
    for pattern, meaning, remedy in _CONNECTING:
        match = re.search(pattern, said)
        if match is not None:
            names = {name: value or "" for name, value in match.groupdict().items()}
            text = f"{meaning.format(**names)}: {said}"
            return HostError(text, hint=remedy.format(**names).replace("URI", uri))
    return HostError(
        f"cannot connect to libvirt at `{uri}`: {said}", hint="`vmforge doctor` looks at what is installed"
    )


def starting(error: libvirt.libvirtError, name: str) -> MachineError:
    """Why a machine did not start, in QEMU's own words where QEMU said something."""
    said = message(error)
    own_words = " ".join(qemu_words(_PROCESS_ENDED.sub("", said)).split("\n"))
    return MachineError(f"the machine `{name}` could not be started: {own_words or said}", hint=hint(said))


def failed(error: libvirt.libvirtError, doing: str) -> MachineError:
    """A call on a running machine that failed."""
    said = message(error)
    return MachineError(f"cannot {doing}: {said}", hint=hint(said))


def died(name: str, cause: str, words: str, log: Path | None) -> MachineError:
    """A machine whose QEMU ended; `cause` is what QEMU called its reason, `words` what it said."""
    said = f": {words.splitlines()[-1]}" if words else f" ({cause or 'QEMU said nothing'})"
    return MachineError(
        f"the machine `{name}` died{said}", hint=hint(words) or (f"its log is `{log}`" if log else "")
    )


def stopped(name: str, status: str, words: str) -> MachineError:
    """A machine that QEMU paused because it could not go on."""
    said = f": {words.splitlines()[0]}" if words else ""
    return MachineError(
        f"QEMU stopped the machine `{name}` ({status}){said}", hint=hint(words) or hint(status)
    )


def disk_failed(name: str, path: Path, reason: str) -> MachineError:
    """A machine that was paused because a disk could not be used; `reason` is QEMU's (`enospc`)."""
    if reason != "enospc":
        return MachineError(f"the machine `{name}` could not use its disk `{path}`: {reason or 'I/O error'}")
    try:
        free = f" ({format_bytes(shutil.disk_usage(path.parent).free)} free)"
    except OSError:
        free = ""
    return MachineError(
        f"no space left on this host for the disk of the machine `{name}`: `{path}`{free}",
        hint=f"free some space on the file system of `{path.parent}`",
    )


def message(error: libvirt.libvirtError) -> str:
    """What libvirt says, without its classification of the error and the library's own prefix."""
    said = str(error.get_error_message() or error).strip()
    return re.sub(r"^(internal error|operation failed|unsupported configuration): ", "", said)


def hint(said: str) -> str:
    """What to do about words of libvirt or QEMU; empty when they are not known."""
    for pattern, remedy in _RUNNING:
        if re.search(pattern, said):
            return remedy
    return ""


def qemu_words(text: str) -> str:
    """The lines of a log that QEMU itself wrote, without time stamps and its own name."""
    lines = []
    in_command = False
    for line in text.splitlines():
        # libvirt writes the whole command line, one switch per line, each ended by a backslash
        continued, in_command = in_command, line.endswith(" \\")
        if continued or in_command or _LIBVIRT_LINE.match(line) or not line.strip():
            continue
        lines.append(_QEMU_PREFIX.sub("", line, count=1).strip())
    return "\n".join(lines)


def log_tail(path: Path, start: int, limit: int = 4096) -> str:
    """QEMU's words in the part of a log from byte `start` on; empty when it cannot be read."""
    try:
        with path.open("rb") as log:
            end = log.seek(0, 2)
            # the command line is never longer than this, and stands at the beginning
            log.seek(min(start, end))
            return qemu_words(log.read().decode(errors="replace"))[-limit:]
    except OSError:
        return ""


def is_still_there(error: libvirt.libvirtError) -> bool:
    """Whether a machine did not start because libvirt has not yet forgotten the one of this name."""
    return bool(re.search(r"already being removed|already active|already exists", message(error)))


def is_port_in_use(error: libvirt.libvirtError) -> bool:
    """Whether a machine did not start because its VNC port is taken."""
    return bool(
        re.search(
            r"Address already in use|Failed to bind socket|Failed to find an available port", message(error)
        )
    )
