"""Packer's `qemuargs`: QEMU's own command line, translated onto a machine's specification.

The rule is Packer's. An entry is a switch and the parts of its value, which are joined without a
separator. A switch that the user gives replaces *every* value that the builder would have given for it,
matched exactly (`--drive` is not `-drive`); several of the user's entries with one switch all count.
After that, a network card is added again unless one of the user's `-device` names its model.

What libvirt has an element for becomes one (memory, processors, disks, discs, cards, screen ...); the
rest reaches QEMU as it is. In particular:

* `-drive` takes away all disks, discs and flash firmware. Each of the user's drives becomes an element if
  it has a bus (`if=virtio|ide|scsi|sd`, or `media=cdrom`) and only options that elements know; else it is
  handed over as it is, and so is every `if=none` drive, which a `-device` of the user's refers to by id.
* `-device` takes away what the builder attaches through devices: disks and discs on virtio-scsi stay
  behind as drives `drive0`, `cdrom0` ... for the user's devices to refer to, and the TPM goes.
* `-netdev` takes away the network. A network (`user` or `bridge`) and a card of simple form become one
  element, host ports included; anything else is handed over, card and network together.

Elements come first in the boot order; drives that QEMU gets as they are follow in QEMU's own order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vmforge.hypervisor import qemudrives, qemunet
from vmforge.hypervisor.devices import Bios, Floppy, SerialLog, Topology, Video, Vnc
from vmforge.hypervisor.devices.cdrom import Cdrom
from vmforge.hypervisor.domain import CD, HARD_DISK, DomainSpec
from vmforge.hypervisor.qemuoptions import Options
from vmforge.sdk.values import Size

Argument = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Translation:
    """The specification with the user's arguments in it, and what the user should know about them."""

    spec: DomainSpec
    warnings: tuple[str, ...] = ()


def translate(spec: DomainSpec, qemuargs: Iterable[Sequence[str]], folder: Path | None = None) -> Translation:
    """Apply `qemuargs` to a specification. Relative paths start in `folder`, by default where vmforge runs:
    libvirt runs QEMU elsewhere. The accelerator that the user names becomes the specification's, whether
    this host has it or not. Raises ValueError for a value that makes no sense."""
    arguments = _join(qemuargs)
    work = _Work(spec, folder or Path.cwd())
    for switch, values in arguments.items():
        handler = _HANDLERS.get(switch)
        if switch in _GROUPED:
            continue
        if handler is None:
            work.raw += [(switch, value) for value in values]
        else:
            for value in values:
                handler(work, value)
    _drives_and_devices(work, arguments)
    work.raw += [("-drive", value) for value in work.loose_drives]
    if any(switch in _RAW_DISKS for switch, _ in work.raw):
        # libvirt tells QEMU to boot from nothing but its own disks
        work.raw.insert(0, ("-boot", "strict=off"))
    restart = work.spec.restart_on_reboot and not any(_forbids_restart(*argument) for argument in work.raw)
    final = replace(work.spec, qemu_arguments=(*spec.qemu_arguments, *work.raw), restart_on_reboot=restart)
    return Translation(final, tuple(work.warnings))


def forbids_restart(qemuargs: Iterable[Sequence[str]]) -> bool:
    """Whether a machine with these arguments is reset in place when its guest reboots."""
    return any(_forbids_restart(switch, "".join(parts)) for switch, *parts in filter(None, qemuargs))


def _join(qemuargs: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    """The user's values of each switch, in the order in which switches first appear."""
    joined: dict[str, list[str]] = {}
    for entry in qemuargs:
        if not entry or not entry[0]:
            raise ValueError("an entry of `qemuargs` is empty; write a switch and its value")
        joined.setdefault(entry[0], []).append("".join(entry[1:]))
    return joined


class _Work:
    """A translation under way."""

    def __init__(self, spec: DomainSpec, folder: Path) -> None:
        self.spec = spec
        self.folder = folder
        self.raw: list[Argument] = []
        self.loose_drives: list[str] = []
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def _drives_and_devices(work: _Work, arguments: Mapping[str, list[str]]) -> None:
    drives, devices, netdevs = (arguments.get(switch) for switch in ("-drive", "-device", "-netdev"))
    if drives is not None:
        result = qemudrives.replace_drives(work.spec, drives, work.folder)
        work.spec = result.spec
        work.loose_drives += result.loose
        for text in result.warnings:
            work.warn(text)
    if devices is not None:
        kept = qemudrives.without_devices(work.spec)
        work.spec = kept.spec
        work.loose_drives += kept.loose
        if kept.loose and not any("drive=" in device for device in devices):
            work.warn(
                "`-device` in `qemuargs` takes the disks' controller away; name one, or use virtio disks"
            )
    unplaced = sum(_takes_a_slot(*argument) for argument in work.raw)
    unplaced += sum(_takes_a_slot("-drive", drive) for drive in work.loose_drives)
    if devices is not None or netdevs is not None:
        network = qemunet.replace_network(work.spec, netdevs, devices, unplaced)
        unplaced = network.spec.unplaced_devices
        work.spec = network.spec
        work.raw += network.loose
    work.spec = replace(work.spec, unplaced_devices=unplaced)


# -- one function per switch ----------------------------------------------------------------------


def _memory(work: _Work, value: str) -> None:
    options = Options.parse(value, implied="size")
    work.spec = replace(work.spec, memory=Size.parse(options.take("size"), default_unit="m"))
    if options.rest():
        work.warn(f"`-m {value}`: only the size is used")


def _processors(work: _Work, value: str) -> None:
    options = Options.parse(value, implied="cpus")
    names = ("cpus", "maxcpus", "sockets", "cores", "threads")
    numbers = {name: _number(options.take(name), f"-smp {value}") for name in names}
    for name in ("dies", "clusters"):
        if options.take(name) not in ("", "1"):
            work.warn(f"`-smp {value}`: `{name}` is not used")
    sockets, cores, threads = (numbers[name] for name in ("sockets", "cores", "threads"))
    cpus = numbers["cpus"] or max(sockets, 1) * max(cores, 1) * max(threads, 1)
    shape = _topology(cpus, sockets, cores, threads) if sockets or cores or threads else None
    work.spec = replace(work.spec, vcpus=cpus, topology=shape)


def _number(text: str, argument: str) -> int:
    if text and not text.isdigit():
        raise ValueError(f"`{text}` in `{argument}` is not a number")
    return int(text or 0)


def _topology(cpus: int, sockets: int, cores: int, threads: int) -> Topology:
    """Fill in what is missing as QEMU does: cores first, then sockets, then threads."""
    if not cores:
        cores = max(1, cpus // (max(1, sockets) * max(1, threads)))
    if not sockets:
        sockets = max(1, cpus // (cores * max(1, threads)))
    if not threads:
        threads = max(1, cpus // (cores * sockets))
    return Topology(sockets, cores, threads)


def _cpu(work: _Work, value: str) -> None:
    work.spec = replace(work.spec, cpu_model=value)


def _machine(work: _Work, value: str) -> None:
    options = Options.parse(value, implied="type")
    kind, accel = options.take("type"), options.take("accel")
    if kind:
        work.spec = replace(work.spec, machine_type=kind)
    if accel:
        _use_accelerator(work, accel.split(":"))
    if options.rest():
        work.raw.append(("-machine", options.rest()))


def _accel(work: _Work, value: str) -> None:
    options = Options.parse(value, implied="accel")
    _use_accelerator(work, [options.take("accel")])
    cache = options.take("tb-size")
    if cache:
        work.spec = replace(work.spec, translation_cache=Size.parse(cache, default_unit="m"))
    if options.rest():
        work.warn(f"`-accel {value}`: `{options.rest()}` is not used")


def _use_accelerator(work: _Work, wanted: Sequence[str]) -> None:
    known = [name for name in wanted if name in ("kvm", "tcg")]
    if not known:
        work.warn(f"the accelerator `{':'.join(wanted)}` is not used; `{work.spec.accel}` is")
    elif work.spec.accel not in known:
        work.spec = replace(work.spec, accel=known[0])


def _kvm(work: _Work, value: str) -> None:
    _use_accelerator(work, ["kvm"])


def _boot(work: _Work, value: str) -> None:
    options = Options.parse(value, implied="order")
    order = options.take("order")
    # the disk is tried before the disc and an empty one falls through, which is what `once` is for
    options.take("once")
    if options.take("menu") == "on":
        work.spec = replace(work.spec, boot_menu=True)
    options.take("strict")
    kinds = [{"c": HARD_DISK, "d": CD}[letter] for letter in order if letter in "cd"]
    if kinds:
        others = [kind for kind in (HARD_DISK, CD) if kind not in kinds]
        work.spec = replace(work.spec, boot=(*dict.fromkeys(kinds), *others))
    if set(order) - set("cd"):
        work.warn(f"`-boot {value}`: machines boot from disks and discs only")
    if options.rest():
        work.raw.append(("-boot", options.rest()))


def _vga(work: _Work, value: str) -> None:
    work.spec = replace(work.spec, video=Video(value))


def _vnc(work: _Work, value: str) -> None:
    options = Options.parse(value, implied="display")
    address, colon, number = options.take("display").rpartition(":")
    if not colon or not number.isdigit():
        work.warn(f"`-vnc {value}` is not used; the screen is served over VNC on a unix socket")
        return
    port = 5900 + int(number)
    work.spec = replace(work.spec, graphics=Vnc(address or "0.0.0.0", port, port))
    if options.rest():
        work.warn(f"`-vnc {value}`: `{options.rest()}` is not used")


def _display(work: _Work, value: str) -> None:
    if value not in ("", "none"):
        work.warn(f"`-display {value}` is not used; the screen is served over VNC")


def _name(work: _Work, value: str) -> None:
    options = Options.parse(value, implied="guest")
    work.spec = replace(work.spec, title=options.take("guest"))


def _serial(work: _Work, value: str) -> None:
    if value.startswith("file:"):
        work.spec = replace(work.spec, serial_log=SerialLog(work.folder / value.removeprefix("file:")))
    elif value in ("stdio", "mon:stdio"):
        work.warn("`-serial stdio`: the serial console is written to its log instead")
    else:
        # QEMU has one first serial port
        work.spec = replace(work.spec, serial_log=None)
        work.raw.append(("-serial", value))


def _cdrom(work: _Work, value: str) -> None:
    work.spec = replace(work.spec, cdroms=(*work.spec.cdroms, Cdrom(work.folder / value)))


def _floppy(work: _Work, value: str) -> None:
    work.spec = replace(work.spec, floppy=Floppy(work.folder / value))


def _bios(work: _Work, value: str) -> None:
    if "/" in value:
        work.spec = replace(work.spec, firmware=Bios(work.folder / value))
    else:
        # a name that QEMU looks up in its own folder
        work.raw.append(("-bios", value))


def _file(switch: str) -> Callable[[_Work, str], None]:
    def pass_on(work: _Work, value: str) -> None:
        work.raw.append((switch, str(work.folder / value)))

    return pass_on


def _no_reboot(work: _Work, value: str) -> None:
    work.spec = replace(work.spec, ends_on_reboot=True)


def _dropped(switch: str) -> Callable[[_Work, str], None]:
    def drop(work: _Work, value: str) -> None:
        work.warn(f"`{switch}` is not used; libvirt decides about it")

    return drop


_HANDLERS: dict[str, Callable[[_Work, str], None]] = {
    "-m": _memory,
    "-smp": _processors,
    "-cpu": _cpu,
    "-machine": _machine,
    "-M": _machine,
    "-accel": _accel,
    "-enable-kvm": _kvm,
    "-boot": _boot,
    "-vga": _vga,
    "-vnc": _vnc,
    "-display": _display,
    "-nographic": _display,
    "-name": _name,
    "-serial": _serial,
    "-cdrom": _cdrom,
    "-fda": _floppy,
    "-bios": _bios,
    "-no-reboot": _no_reboot,
    **{
        switch: _file(switch)
        for switch in ("-kernel", "-initrd", "-dtb", "-hda", "-hdb", "-hdc", "-hdd", "-fdb")
    },
    **{
        switch: _dropped(switch)
        for switch in (
            "-daemonize",
            "-pidfile",
            "-S",
            "-no-shutdown",
            "-nodefaults",
            "-no-user-config",
            "-runas",
        )
    },
}
_RAW_DISKS = ("-drive", "--drive", "-hda", "-hdb", "-hdc", "-hdd", "-blockdev")
_GROUPED = ("-drive", "-device", "-netdev")

# Arguments whose state is in the process: starting it again would lose what a reset keeps.
_IN_PROCESS = ("-snapshot", "-loadvm", "-incoming", "-action", "-watchdog-action", "-tpmdev")


def _takes_a_slot(switch: str, value: str) -> bool:
    """Whether QEMU puts a device of its own choice of slot on the PCI bus for an argument."""
    if switch in ("-drive", "--drive"):
        return Options.parse(value, implied="file").get("if") in ("virtio", "scsi")
    if switch == "-net":
        return value.startswith("nic")
    return switch == "-virtfs" or (switch == "-nic" and value != "none")


def _forbids_restart(switch: str, value: str) -> bool:
    options = Options.parse(value, implied="first")
    if switch == "-drive":
        return options.get("snapshot") == "on"
    if switch == "-rtc":
        return options.get("base") not in ("", "utc", "localtime")
    if switch == "-chardev":
        # the program at the other end of a connection that QEMU opens would have to start again too
        return options.get("first") == "socket" and options.get("server") != "on"
    return switch in _IN_PROCESS
