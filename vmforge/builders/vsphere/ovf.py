"""OVFs and OVAs, out of vSphere and into it: a lease names the disks' places, and lives while it is renewed.

The formats are those of DMTF's DSP0243 (https://www.dmtf.org/standards/ovf).
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from vmforge.builders.vsphere.client import Vsphere
from vmforge.builders.vsphere.config import Export, Manifest
from vmforge.builders.vsphere.transfer import Transfer
from vmforge.errors import VmforgeError
from vmforge.sdk import Ui
from vmforge.sdk.cloud import wait_for

_LEASE_SECONDS: Final = 600.0
_VERSION: Final = re.compile(r"\bvmx-(\d+)")
_HREF: Final = re.compile(r'ovf:href="([^"]*)"')


@dataclass
class Lease:
    """A lease (`vim.HttpNfcLease`), renewed as its files move; given up when that fails."""

    vsphere: Vsphere
    lease: Any
    total: int
    _done: int = field(default=0, init=False)
    _percent: int = field(default=-1, init=False)

    def __enter__(self) -> Lease:
        def ready() -> bool | None:
            state = str(self.vsphere.ask(lambda: self.lease.state))
            if state == "error":
                fault = self.vsphere.ask(lambda: self.lease.error)
                raise VmforgeError(f"vsphere: the transfer is refused: {getattr(fault, 'msg', fault)}")
            return True if state == "ready" else None

        cancellation = self.vsphere.cancellation
        wait_for(ready, "the lease for a transfer", cancellation=cancellation, limit=_LEASE_SECONDS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self.vsphere.do(self.lease.HttpNfcLeaseComplete)
            return
        try:
            self.lease.HttpNfcLeaseAbort()
        except Exception:
            pass  # it runs out by itself, and the transfer's own failure is what is to be told

    @property
    def files(self) -> list[Any]:
        return list(self.vsphere.ask(lambda: self.lease.info.deviceUrl))

    def moved(self, count: int) -> None:
        """So many more bytes have moved."""
        self._done += count
        percent = min(99, 100 * self._done // self.total) if self.total else 0
        if percent != self._percent:
            self._percent = percent
            self.vsphere.do(lambda: self.lease.HttpNfcLeaseProgress(percent))


def export(
    vsphere: Vsphere, transfer: Transfer, machine: Any, options: Export, name: str, folder: Path, ui: Ui
) -> None:
    """Write a machine that is off as an OVF into a folder: descriptor, disks, manifest."""
    from pyVmomi import vim

    algorithm = "" if options.manifest is Manifest.NONE else options.manifest.value
    digests: dict[str, str] = {}
    described: list[Any] = []
    size = int(vsphere.ask(lambda: machine.summary.storage.committed) or 0)
    started = vsphere.do(machine.ExportVm)
    with ui.progress(f"exporting {name}", size) as progress, Lease(vsphere, started, size) as lease:

        def told(count: int) -> None:
            progress.advance(count)
            lease.moved(count)

        for number, file in enumerate(_wanted(lease.files, options)):
            target = (
                f"{name}-disk-{number}.vmdk" if file.disk else f"{name}-{file.targetId or f'file-{number}'}"
            )
            count, digest = transfer.fetch(file.url, folder / target, algorithm, told)
            digests[target] = digest
            described.append(
                vim.OvfManager.OvfFile(deviceId=file.key, path=target, size=count, compressionMethod="")
            )
        parameters = vim.OvfManager.CreateDescriptorParams(
            name=name, ovfFiles=described, exportOption=list(options.options)
        )
        manager = vsphere.content.ovfManager
        made = vsphere.ask(lambda: manager.CreateDescriptor(machine, parameters))
    if made.error:
        raise VmforgeError(f"vsphere: the OVF cannot be described: {made.error[0].msg}")
    _write_descriptor(folder, name, made.ovfDescriptor, algorithm, digests)


def _wanted(files: Sequence[Any], options: Export) -> Iterator[Any]:
    return (file for file in files if file.disk or options.image_files or options.images)


def _write_descriptor(folder: Path, name: str, text: str, algorithm: str, digests: Mapping[str, str]) -> None:
    import hashlib

    content = text.encode()
    (folder / f"{name}.ovf").write_bytes(content)
    if not algorithm:
        return
    everything = {f"{name}.ovf": hashlib.new(algorithm, content).hexdigest(), **digests}
    lines = [f"{algorithm.upper()}({file})= {digest}" for file, digest in everything.items()]
    (folder / f"{name}.mf").write_text("\n".join((*lines, "")), encoding="utf-8")


class OvfSource:
    """An OVA, or an OVF with its files beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._archive = path.suffix.lower() == ".ova"
        try:
            self.descriptor = self._read_descriptor()
        except (OSError, tarfile.TarError, UnicodeDecodeError) as error:
            raise VmforgeError(f"`{path}` cannot be read as an OVF: {error}") from None

    def limit_version(self, newest: int) -> None:
        """Have the machine be of that hardware version at most."""

        def limited(found: re.Match[str]) -> str:
            return f"vmx-{min(int(found[1]), newest):02}"

        self.descriptor = _VERSION.sub(limited, self.descriptor)

    @property
    def files(self) -> dict[str, int]:
        """The files that the descriptor names, with their sizes."""
        names = [name for name in _HREF.findall(self.descriptor) if "://" not in name]
        return {name: self._size(name) for name in names}

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with ExitStack() as opened:
            if self._archive:
                archive = opened.enter_context(tarfile.open(self._path))
                file = archive.extractfile(name)
                if file is None:
                    raise VmforgeError(f"`{self._path}` has no file `{name}`")
                yield opened.enter_context(file)
            else:
                yield opened.enter_context((self._path.parent / name).open("rb"))

    def _read_descriptor(self) -> str:
        if not self._archive:
            return self._path.read_text(encoding="utf-8")
        with tarfile.open(self._path) as archive:
            for member in archive:
                if member.name.endswith(".ovf") and (file := archive.extractfile(member)) is not None:
                    return file.read().decode("utf-8")
        raise VmforgeError(f"there is no OVF in `{self._path}`")

    def _size(self, name: str) -> int:
        try:
            if not self._archive:
                return (self._path.parent / name).stat().st_size
            with tarfile.open(self._path) as archive:
                return archive.getmember(name).size
        except (OSError, KeyError):
            raise VmforgeError(f"`{self._path}` names a file `{name}` that it has not") from None


@dataclass(frozen=True)
class Destination:
    """Where an OVF becomes a machine: objects of the API. `networks` are by the OVF's names, None for all."""

    pool: Any
    datastore: Any
    folder: Any
    host: Any
    networks: Mapping[str | None, Any] = field(default_factory=dict)
    provisioning: str = ""
    deployment: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


def import_ovf(
    vsphere: Vsphere, transfer: Transfer, source: OvfSource, name: str, notes: str, where: Destination, ui: Ui
) -> Any:
    """Make a machine of an OVF, with these notes from the start; the machine (`vim.VirtualMachine`)."""
    spec, items = _import_spec(vsphere, source, name, where)
    spec.configSpec.annotation = notes or spec.configSpec.annotation
    sizes = source.files
    total = sum(sizes.get(item.path, 0) for item in items)
    started = vsphere.do(lambda: where.pool.ImportVApp(spec, where.folder, where.host))
    with ui.progress(f"uploading {name}", total) as progress, Lease(vsphere, started, total) as lease:

        def told(count: int) -> None:
            progress.advance(count)
            lease.moved(count)

        urls = {file.importKey: file.url for file in lease.files}
        for item in items:
            if item.deviceId not in urls:
                raise VmforgeError(f"vsphere: the lease has no place for `{item.path}`")
            send = transfer.put_file if item.create else transfer.post_disk
            with source.open(item.path) as file:
                send(urls[item.deviceId], file, sizes[item.path], told)
        return vsphere.ask(lambda: lease.lease.info.entity)


def _import_spec(vsphere: Vsphere, source: OvfSource, name: str, where: Destination) -> tuple[Any, list[Any]]:
    from pyVmomi import vim

    manager = vsphere.content.ovfManager
    parsed = vsphere.ask(
        lambda: manager.ParseDescriptor(source.descriptor, vim.OvfManager.ParseDescriptorParams())
    )
    names = [network.name for network in parsed.network or ()]
    mapped = {one: where.networks.get(one) or where.networks.get(None) for one in names}
    parameters = vim.OvfManager.CreateImportSpecParams(
        entityName=name,
        networkMapping=[
            vim.OvfManager.NetworkMapping(name=one, network=network)
            for one, network in mapped.items()
            if network
        ],
        diskProvisioning=where.provisioning or None,
        deploymentOption=where.deployment,
        locale="",
        propertyMapping=[vim.KeyValue(key=key, value=value) for key, value in where.properties.items()],
    )
    made = vsphere.ask(
        lambda: manager.CreateImportSpec(source.descriptor, where.pool, where.datastore, parameters)
    )
    if made.error:
        raise VmforgeError(f"vsphere: the OVF is refused: {'; '.join(str(one.msg) for one in made.error)}")
    return made.importSpec, list(made.fileItem or ())
