"""The post-processors `vsphere`, which makes a machine of an OVA, and `vsphere-template`: that a template."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from vmforge.builders.vsphere.client import Access, Vsphere
from vmforge.builders.vsphere.config import LocationOptions
from vmforge.builders.vsphere.inventory import Inventory
from vmforge.errors import VmforgeError
from vmforge.sdk import Artifact, BuildContext, Config, PostProcessor, Problem, Processed, Secret, option
from vmforge.sdk.cloud import CloudError, insist
from vmforge.sdk.extras import needs
from vmforge.sdk.network import RemoteInput, RemoteKind

UPLOADED = "packer.post-processor.vsphere"
TEMPLATE = "packer.post-processor.vsphere-template"
# Whose artifacts are machines of vSphere.
_MACHINES = (UPLOADED, "jetbrains.vsphere", "mitchellh.vmware-esx", "vmware.vsphere")
_VERSION = re.compile(r"(?:vmx-)?(\d+)")


class DiskMode(StrEnum):
    THIN = "thin"
    THICK = "thick"
    MONOLITHIC_SPARSE = "monolithicSparse"
    MONOLITHIC_FLAT = "monolithicFlat"
    TWO_GB_MAX_EXTENT_SPARSE = "twoGbMaxExtentSparse"
    TWO_GB_MAX_EXTENT_FLAT = "twoGbMaxExtentFlat"
    SE_SPARSE = "seSparse"
    EAGER_ZEROED_THICK = "eagerZeroedThick"
    SPARSE = "sparse"
    FLAT = "flat"


@dataclass(frozen=True, kw_only=True)
class ServerOptions(Config):
    """Options of the connection."""

    host: str = option(help="The vCenter server, or an ESXi host.")
    username: str = option(help="The user.")
    password: Secret = option(help="The user's password.")
    insecure: bool = option(False, help="Believe any certificate of the server.")

    def session(self, context: BuildContext) -> Vsphere:
        access = Access(self.host, self.username, self.password, not self.insecure)
        return Vsphere(access, context.cancellation)


@dataclass(frozen=True, kw_only=True)
class VsphereUploadConfig(ServerOptions):
    """All options of the post-processor `vsphere`."""

    cluster: str = option("", help="The cluster, or host, that the machine is to run on.")
    datacenter: str = option("", help="The datacenter.", default_text="the only one")
    datastore: str = option("", help="The datastore.", default_text="the only one of the cluster")
    datastore_cluster: str = option("", help="A datastore cluster, in place of a datastore.")
    disk_mode: DiskMode = option(DiskMode.THICK, help="How the disks are allocated.")
    esxi_host: str = option("", help="The host of the cluster.")
    options: tuple[str, ...] = option(
        (), help="Accepted for Packer's sake; there is no `ovftool` to give them to."
    )
    overwrite: bool = option(False, help="Replace a machine of that name.")
    resource_pool: str = option("", help="The resource pool, with its path.")
    vm_folder: str = option("", help="The machine's folder.")
    vm_name: str = option("", help="The machine's name.", default_text="the build's")
    vm_network: str = option("", help="The network of its cards.", default_text="the host's first")
    hardware_version: str = option("", help="The newest hardware version that it may have, as in `vmx-13`.")
    max_retries: int = option(5, help="How often an upload that broke off is tried again.")


class VsphereUploadPostProcessor(PostProcessor[VsphereUploadConfig]):
    config_type = VsphereUploadConfig
    summary = "makes a machine on vSphere of an OVA or OVF"

    @classmethod
    def check(cls, config: VsphereUploadConfig) -> Iterable[Problem]:
        if config.options:
            yield Problem("`options` are for `ovftool`, which is not used", "options", warning=True)
        if config.datastore and config.datastore_cluster:
            yield Problem("`datastore` and `datastore_cluster` are both set", "datastore_cluster")
        if config.hardware_version and not _VERSION.fullmatch(config.hardware_version):
            yield Problem("`hardware_version` is none", "hardware_version", hint="write it as in `vmx-13`")

    @classmethod
    def remote_inputs(cls, config: VsphereUploadConfig) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.UPLOAD, "the machine", (f"https://{config.host}",))

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        with needs("vsphere", "pyVmomi"):
            from vmforge.builders.vsphere.ovf import OvfSource
        context.network.locate(f"https://{self.config.host}")
        source = OvfSource(_descriptor(artifact))
        vsphere = self.config.session(context)
        try:
            inventory = Inventory(vsphere, self.config.datacenter)
            name = self.config.vm_name or context.name
            machine = insist(
                lambda: self._upload(context, vsphere, inventory, source, name),
                cancellation=context.cancellation,
                limit=60.0 * self.config.max_retries,
            )
            return Processed(_machine_artifact(vsphere, machine, name, inventory.path, UPLOADED))
        finally:
            vsphere.log_out()

    def _upload(
        self, context: BuildContext, vsphere: Vsphere, inventory: Inventory, source: Any, name: str
    ) -> Any:
        from vmforge.builders.vsphere.machine import VsphereMachine
        from vmforge.builders.vsphere.ovf import Destination, import_ovf
        from vmforge.builders.vsphere.transfer import Transfer

        config = self.config
        folder = inventory.folder(config.vm_folder)
        self._make_room(vsphere, inventory, folder, name)
        location = LocationOptions(
            host=config.esxi_host, datastore=config.datastore, datastore_cluster=config.datastore_cluster
        )
        compute, host = self._compute(inventory, location)
        where = Destination(
            inventory.pool(compute, config.resource_pool),
            inventory.datastore(compute, location),
            folder,
            host,
            {None: inventory.network(compute, config.vm_network)},
            config.disk_mode.value,
        )
        if config.hardware_version:
            source.limit_version(int(_VERSION.fullmatch(config.hardware_version)[1]))  # type: ignore[index]
        transfer = Transfer(vsphere.access, lambda: vsphere.cookie, vsphere.cancellation)
        try:
            return import_ovf(vsphere, transfer, source, name, "", where, context.ui)
        except BaseException:
            left = inventory.machine_in(folder, name)
            if left is not None:
                VsphereMachine(vsphere, left).delete()
            raise

    def _compute(self, inventory: Inventory, location: LocationOptions) -> tuple[Any, Any]:
        """`cluster` may name a host too."""
        from dataclasses import replace

        if not self.config.cluster:
            return inventory.compute(location)
        try:
            return inventory.compute(replace(location, cluster=self.config.cluster))
        except CloudError:
            raise
        except VmforgeError:
            return inventory.compute(replace(location, host=self.config.cluster))

    def _make_room(self, vsphere: Vsphere, inventory: Inventory, folder: Any, name: str) -> None:
        from vmforge.builders.vsphere.machine import VsphereMachine

        existing = inventory.machine_in(folder, name)
        if existing is None:
            return
        if not self.config.overwrite:
            hint = "set `overwrite = true`, or another `vm_name`"
            raise VmforgeError(f"vsphere: there is a machine `{name}` in that folder", hint=hint)
        VsphereMachine(vsphere, existing).delete()


@dataclass(frozen=True, kw_only=True)
class VsphereTemplateConfig(ServerOptions):
    """All options of the post-processor `vsphere-template`."""

    datacenter: str = option("", help="The datacenter.", default_text="the only one")
    template_name: str = option("", help="The template's name.", default_text="the machine's")
    folder: str = option("", help="The template's folder, made if need be.", default_text="the machine's")
    snapshot_enable: bool = option(False, help="Make a snapshot first.")
    snapshot_name: str = option("", help="The snapshot's name.")
    snapshot_description: str = option("", help="The snapshot's description.")
    reregister_vm: bool = option(
        True,
        help="Take it out of the inventory and in again as a template, in place of marking it as one.",
    )


class VsphereTemplatePostProcessor(PostProcessor[VsphereTemplateConfig]):
    config_type = VsphereTemplateConfig
    summary = "makes a machine on vSphere a template"

    @classmethod
    def check(cls, config: VsphereTemplateConfig) -> Iterable[Problem]:
        if config.snapshot_enable and not (config.snapshot_name and config.snapshot_description):
            yield Problem(
                "`snapshot_enable` needs `snapshot_name` and `snapshot_description`", "snapshot_enable"
            )

    @classmethod
    def remote_inputs(cls, config: VsphereTemplateConfig) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.UPLOAD, "the template", (f"https://{config.host}",))

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        with needs("vsphere", "pyVmomi"):
            from vmforge.builders.vsphere.machine import VsphereMachine
        if artifact.builder_id not in _MACHINES:
            hint = "put it after the builder, or after the post-processor `vsphere`"
            raise VmforgeError(f"`{artifact.id}` is no machine on vSphere", hint=hint)
        context.network.locate(f"https://{self.config.host}")
        vsphere = self.config.session(context)
        try:
            inventory = Inventory(vsphere, self.config.datacenter)
            entity = inventory.machine(artifact.id)
            if entity is None:
                raise VmforgeError(f"vsphere: there is no machine `{artifact.id}`")
            machine = VsphereMachine(vsphere, entity)
            if self.config.snapshot_enable:
                machine.snapshot(self.config.snapshot_name, self.config.snapshot_description)
            name = self.config.template_name or artifact.id
            made = self._convert(vsphere, inventory, machine, name)
            return Processed(
                _machine_artifact(vsphere, made, name, inventory.path, TEMPLATE),
                keep_input=True,
                must_keep=True,
            )
        finally:
            vsphere.log_out()

    def _convert(self, vsphere: Vsphere, inventory: Inventory, machine: Any, name: str) -> Any:
        parent = machine.ask("parent")
        folder = inventory.folder(self.config.folder) if self.config.folder else parent
        if not self.config.reregister_vm:
            if name != machine.name:
                vsphere.run(lambda: machine.entity.Rename_Task(name), "renaming the machine")
            machine.to_template()
            if folder._moId != parent._moId:
                vsphere.run(lambda: folder.MoveIntoFolder_Task([machine.entity]), "moving the template")
            return machine.entity
        path, host = machine.ask("config", "files", "vmPathName"), machine.ask("runtime", "host")
        vsphere.do(machine.entity.UnregisterVM)
        return vsphere.run(
            lambda: folder.RegisterVM_Task(path=path, name=name, asTemplate=True, host=host),
            "registering the template",
        )


def _machine_artifact(vsphere: Vsphere, entity: Any, name: str, datacenter: str, builder_id: str) -> Artifact:
    from vmforge.builders.vsphere.machine import VsphereMachine
    from vmforge.builders.vsphere.result import VsphereArtifact

    return VsphereArtifact(VsphereMachine(vsphere, entity), name, datacenter, builder_id=builder_id)


def _descriptor(artifact: Artifact) -> Path:
    """The OVA, or the OVF, among an artifact's files."""
    for suffix in (".ova", ".ovf"):
        for path in artifact.files:
            if path.suffix.lower() == suffix:
                return path
    hint = 'put an `export` post-processor with `format = "ova"` before this one'
    raise VmforgeError(f"there is no OVA or OVF in the artifact of `{artifact.builder_id}`", hint=hint)
