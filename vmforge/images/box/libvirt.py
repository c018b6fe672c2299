"""Boxes for vagrant-libvirt: qcow2 disks, and UEFI variables where the guest needs them.

`metadata.json` speaks both of the plug-in's languages: `format` and `virtual_size` with a disk called
`box.img` for versions that know one disk, `disks` for those that know many
(https://vagrant-libvirt.github.io/vagrant-libvirt/boxes.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.hypervisor import disks
from vmforge.hypervisor.disks import DiskInfo
from vmforge.images.box.architectures import vagrant_architecture
from vmforge.images.box.archive import BoxContents, BoxFile
from vmforge.images.box.conversion import convert
from vmforge.images.box.vagrantfile import indent, quote, vagrantfile
from vmforge.sdk import Appliance, Cancellation, Ui

FORMAT = "qcow2"
NVRAM = "efivars.fd"
_GIBIBYTE = 1024**3

# QEMU's names of what disks and cards are attached to, as libvirt calls them.
_DISK_BUSES = {
    "virtio": "virtio",
    "virtio-blk": "virtio",
    "virtio-scsi": "scsi",
    "scsi": "scsi",
    "ide": "ide",
    "sata": "sata",
}
_NETWORK_MODELS = {"virtio-net": "virtio", "virtio-net-pci": "virtio", "virtio": "virtio"}

# Firmware for variables of this size, where distributions put it: Debian and Ubuntu, Fedora, Arch, openSUSE.
_LOADERS: Mapping[int, tuple[str, ...]] = {
    540672: (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/qemu/ovmf-x86_64-4m-code.bin",
        "/usr/share/qemu/edk2-x86_64-code.fd",
    ),
    131072: (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/x64/OVMF_CODE.fd",
        "/usr/share/qemu/ovmf-x86_64-code.bin",
    ),
}
_ARM_LOADERS: Mapping[int, tuple[str, ...]] = {
    67108864: ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw")
}


def libvirt_box(
    appliance: Appliance,
    workspace: Path,
    ui: Ui,
    cancellation: Cancellation,
    *,
    architecture: str = "",
) -> BoxContents:
    """The contents of a box for libvirt; `architecture` as Vagrant names it, else the appliance's.

    Disks that are no self-contained qcow2 are copied into `workspace`.
    """
    images = [
        _self_contained(disk, workspace / f"{number}.{FORMAT}", ui, cancellation)
        for number, disk in enumerate(appliance.disks)
    ]
    names = ["box.img", *(f"box_{number}.img" for number in range(1, len(images)))]
    files = [BoxFile(name, image.path) for name, image in zip(names, images, strict=True)]
    metadata = {
        "provider": "libvirt",
        "architecture": architecture or vagrant_architecture(appliance.architecture),
        "format": FORMAT,
        # whole GiB, and never less than the disk has: the plug-in cuts off what is beyond
        "virtual_size": -(-images[0].virtual_size.bytes // _GIBIBYTE),
        "disks": [{"path": name, "format": FORMAT} for name in names],
    }
    if appliance.nvram is not None:
        files.append(BoxFile(NVRAM, appliance.nvram))
    return BoxContents(metadata, vagrantfile(_settings(appliance)), tuple(files))


def _self_contained(disk: Path, target: Path, ui: Ui, cancellation: Cancellation) -> DiskInfo:
    """The image itself, or a copy, that is qcow2 and needs no other file."""
    found = disks.info(disk, cancellation)
    if found.format == FORMAT and found.backing is None:
        return found
    convert(disk, target, FORMAT, ui, cancellation)
    made = disks.info(target, cancellation)
    # no client notices: the machine would be made and its disk not found
    if made.format != FORMAT or made.backing is not None:
        raise VmforgeError(f"the copy of `{disk}` for the box is no self-contained {FORMAT} image")
    return made


def _settings(appliance: Appliance) -> list[str]:
    own = [
        "# KVM where there is any. A box that was built under emulation runs with it just as well.",
        'cpu = File.exist?("/proc/cpuinfo") ? File.read("/proc/cpuinfo") : ""',
        'kvm = File.exist?("/dev/kvm") && (cpu =~ /\\b(vmx|svm)\\b/ || cpu !~ /^flags/)',
        'libvirt.driver = kvm ? "kvm" : "qemu"',
    ]
    if bus := _DISK_BUSES.get(appliance.disk_bus):
        own.append(f"libvirt.disk_bus = {quote(bus)}")
    model = _NETWORK_MODELS.get(appliance.network_model, appliance.network_model)
    own.append(f"libvirt.nic_model_type = {quote(model)}")
    if appliance.nvram is not None:
        own += _loader(appliance, appliance.nvram)
    lines = ["config.vm.provider :libvirt do |libvirt|", *indent(own), "end"]
    return [*lines, *_VARIABLES] if appliance.nvram is not None else lines


def _loader(appliance: Appliance, nvram: Path) -> list[str]:
    own = _LOADERS if appliance.architecture == "x86_64" else _ARM_LOADERS
    loaders = own.get(nvram.stat().st_size, ())
    return [
        "# The firmware that belongs to the box's UEFI variables; another place of it is to be set in the",
        "# Vagrantfile of the project.",
        f"libvirt.loader = [{', '.join(map(quote, loaders))}].find {{ |path| File.exist?(path) }}",
        f'libvirt.nvram = File.expand_path("{NVRAM}", __dir__)',
    ]


# The firmware writes to its variables, so each machine gets its own copy: in a place that the hypervisor's
# user may enter (home folders are often closed to it), but where no other user can put something.
_VARIABLES = (
    f'box_variables = File.expand_path("{NVRAM}", __dir__)',
    'own_folder = "/var/tmp/vagrant-efivars-#{Process.uid}"',
    "own_variables = lambda do |machine|",
    '  require "digest"',
    '  File.join(own_folder, Digest::SHA256.hexdigest(machine.data_dir.to_s)[0, 16] + ".fd")',
    "end",
    "config.trigger.before :up, :reload, :resume do |trigger|",
    "  trigger.ruby do |env, machine|",
    "    settings = machine.provider_config",
    "    if settings.respond_to?(:nvram) && settings.nvram == box_variables",
    "      Dir.mkdir(own_folder, 0711) unless File.exist?(own_folder)",
    "      folder = File.lstat(own_folder)",
    '      raise "#{own_folder} is not yours alone" unless folder.directory? && folder.owned?',
    "      settings.nvram = own_variables.call(machine)",
    '      require "fileutils"',
    "      FileUtils.cp(box_variables, settings.nvram) unless File.exist?(settings.nvram)",
    "    end",
    "  end",
    "end",
    "config.trigger.after :destroy do |trigger|",
    "  trigger.ruby do |env, machine|",
    "    File.delete(own_variables.call(machine)) if File.exist?(own_variables.call(machine))",
    "  end",
    "end",
)
