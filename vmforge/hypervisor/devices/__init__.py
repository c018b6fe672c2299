"""One module per element of a domain: frozen values that know their libvirt XML.

The format of every element is libvirt's (https://libvirt.org/formatdomain.html).
"""

from vmforge.hypervisor.devices.agent import AgentChannel
from vmforge.hypervisor.devices.cdrom import Cdrom
from vmforge.hypervisor.devices.controller import ScsiController, no_usb
from vmforge.hypervisor.devices.cpu import Topology
from vmforge.hypervisor.devices.disk import Disk, DiskBus
from vmforge.hypervisor.devices.element import Device
from vmforge.hypervisor.devices.firmware import Bios, Efi, Firmware
from vmforge.hypervisor.devices.floppy import Floppy
from vmforge.hypervisor.devices.graphics import Vnc
from vmforge.hypervisor.devices.interface import Forward, Interface
from vmforge.hypervisor.devices.kernel import Kernel
from vmforge.hypervisor.devices.serial import SerialLog
from vmforge.hypervisor.devices.tpm import Tpm
from vmforge.hypervisor.devices.video import Video

__all__ = [
    "AgentChannel",
    "Bios",
    "Cdrom",
    "Device",
    "Disk",
    "DiskBus",
    "Efi",
    "Firmware",
    "Floppy",
    "Forward",
    "Interface",
    "Kernel",
    "ScsiController",
    "SerialLog",
    "Topology",
    "Tpm",
    "Video",
    "Vnc",
    "no_usb",
]
