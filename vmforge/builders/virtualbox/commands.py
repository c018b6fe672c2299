"""What `VBoxManage` is told, as functions of the configuration (https://www.virtualbox.org/manual/, chapter
8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from vmforge.builders.virtualbox.config import (
    ClockBase,
    HardwareOptions,
    UsbController,
    VirtualBoxOptions,
)
from vmforge.builders.virtualbox.storage import FLOPPY_CONTROLLER, Place, Places

Command: TypeAlias = tuple[str, ...]

# The name of the forward to the guest's communicator.
FORWARD: Final = "packercomm"
# With this version the guest stopped reaching this machine's loopback through NAT unless it is allowed to.
_GUARDED_LOOPBACK: Final = 7
_DASHED_AUDIO: Final = 7


def create_machine(name: str, config: HardwareOptions, version: int) -> Iterator[Command]:
    """Make the machine; `version` is VirtualBox's major one."""
    yield ("createvm", "--name", name, "--ostype", config.guest_os_type, "--register")
    modify = ("modifyvm", name)
    yield (*modify, "--boot1", "disk", "--boot2", "dvd", "--boot3", "none", "--boot4", "none")
    yield (*modify, "--cpus", str(config.cpus), "--memory", str(config.memory))
    yield (*modify, "--chipset", config.chipset, "--firmware", config.firmware)
    yield (*modify, "--rtcuseutc", _switch(config.rtc_time_base is ClockBase.UTC))
    yield (*modify, "--nested-hw-virt", _switch(config.nested_virt))
    yield (*modify, "--nic1", "nat", "--nictype1", config.nic_type, "--cableconnected1", "on")
    yield (*modify, *_audio(config, version))
    if config.usb:
        yield (*modify, *_usb(config))
    yield (*modify, "--mouse", config.mouse, "--keyboard", config.keyboard)
    yield from ((*modify, *option) for option in _graphics(config))
    if config.gfx_efi_resolution:
        key = "VBoxInternal2/EfiGraphicsResolution"
        yield ("setextradata", name, key, config.gfx_efi_resolution)


def _audio(config: HardwareOptions, version: int) -> Command:
    if version >= _DASHED_AUDIO:
        enabled = _switch(config.sound != "none")
        heard = ("--audio-driver", config.sound, "--audio-enabled", enabled, "--audio-out", enabled)
        return (*heard, *_audio_controller(config, "--audio-controller"))
    return ("--audio", config.sound, *_audio_controller(config, "--audiocontroller"))


def _audio_controller(config: HardwareOptions, switch: str) -> Command:
    return () if config.audio_controller == "none" else (switch, config.audio_controller)


def _usb(config: HardwareOptions) -> Command:
    wanted = config.usb_controller
    if wanted is UsbController.NONE:
        return ("--usbohci", "off", "--usbehci", "off", "--usbxhci", "off")
    # EHCI is fast USB only: slower devices of it are OHCI's
    ohci = wanted in (UsbController.OHCI, UsbController.EHCI)
    ehci, xhci = wanted is UsbController.EHCI, wanted is UsbController.XHCI
    return ("--usbohci", _switch(ohci), "--usbehci", _switch(ehci), "--usbxhci", _switch(xhci))


def _graphics(config: HardwareOptions) -> Iterator[Command]:
    if config.gfx_controller is not None:
        yield ("--graphicscontroller", config.gfx_controller)
    if config.gfx_vram_size:
        yield ("--vram", str(config.gfx_vram_size))
    if config.gfx_accelerate_3d:
        yield ("--accelerate3d", "on")


def create_storage(
    name: str, config: HardwareOptions, places: Places, disks: Sequence[Path]
) -> Iterator[Command]:
    """Make the controllers and the disks, at these paths, and attach them."""
    for controller in places.controllers:
        yield ("storagectl", name, *controller.arguments)
    sizes = (config.disk_size, *config.disk_additional_size)
    for path, size, place in zip(disks, sizes, places.disks, strict=True):
        size_text = str(size.mebibytes)
        yield ("createmedium", "disk", "--filename", str(path), "--size", size_text, "--format", "VDI")
        flags: Command = ("--nonrotational", "on") if config.hard_drive_nonrotational else ()
        flags += ("--discard", "on") if config.hard_drive_discard else ()
        yield ("storageattach", name, *place.arguments, "--type", "hdd", "--medium", str(path), *flags)


def attach_disc(name: str, place: Place, medium: Path) -> Command:
    return ("storageattach", name, *place.arguments, "--type", "dvddrive", "--medium", str(medium))


def detach_disc(name: str, place: Place) -> Command:
    """Take the drive away with its disc."""
    return ("storageattach", name, *place.arguments, "--medium", "none")


def attach_floppy(name: str, image: Path) -> Iterator[Command]:
    yield ("storagectl", name, "--name", FLOPPY_CONTROLLER, "--add", "floppy")
    place = Place(FLOPPY_CONTROLLER, 0, 0)
    yield ("storageattach", name, *place.arguments, "--type", "fdd", "--medium", str(image))


def detach_floppy(name: str) -> Iterator[Command]:
    place = Place(FLOPPY_CONTROLLER, 0, 0)
    yield ("storageattach", name, *place.arguments, "--medium", "none")
    yield ("storagectl", name, "--name", FLOPPY_CONTROLLER, "--remove")


def open_display(name: str, address: str, port: int) -> Command:
    display = ("--vrde", "on", "--vrdeaddress", address, "--vrdeport", str(port))
    return ("modifyvm", name, *display, "--vrdeauthtype", "null")


def forward_port(name: str, host_port: int, guest_port: int) -> Command:
    return ("modifyvm", name, "--natpf1", f"{FORWARD},tcp,127.0.0.1,{host_port},,{guest_port}")


def forget_forward(name: str) -> Command:
    return ("modifyvm", name, "--natpf1", "delete", FORWARD)


def reach_loopback(name: str, version: int) -> Iterator[Command]:
    """Let the guest reach the answer files, which are served on this machine's loopback."""
    if version >= _GUARDED_LOOPBACK:
        yield ("modifyvm", name, "--nat-localhostreachable1", "on")


def start(name: str, config: VirtualBoxOptions) -> Command:
    return ("startvm", name, "--type", "headless" if config.headless else "gui")


def import_appliance(source: Path, name: str, options: str, flags: Sequence[str]) -> Command:
    chosen = ("--options", options) if options else ()
    return ("import", str(source), "--vsys", "0", "--vmname", name, *chosen, *flags)


def export(name: str, target: Path, config: VirtualBoxOptions) -> Command:
    return ("export", name, "--output", str(target), *config.export_opts)


def _switch(on: bool) -> str:
    return "on" if on else "off"
