"""What the recipe of builds asks of vSphere, for machines that are installed and that are cloned."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from vmforge.builders.installing.addresses import host_address_towards
from vmforge.builders.installing.booting import grouped_keyboard
from vmforge.builders.installing.contract import Console, Hypervisor, Media
from vmforge.builders.installing.marks import mark_text
from vmforge.builders.iso import HeldIso, IsoOptions
from vmforge.builders.services import HostAddress
from vmforge.builders.vsphere import hardware
from vmforge.builders.vsphere.client import Access, Vsphere
from vmforge.builders.vsphere.config import VsphereCloneConfig, VsphereIsoConfig, VsphereOptions
from vmforge.builders.vsphere.inventory import Inventory
from vmforge.builders.vsphere.machine import SettledAddress, VsphereMachine
from vmforge.builders.vsphere.media import DatastoreFiles
from vmforge.builders.vsphere.origin import Origin
from vmforge.builders.vsphere.result import Result
from vmforge.errors import CommunicatorError, MachineError, VmforgeError
from vmforge.sdk import Artifact, BuildContext, Cancellation, Endpoint
from vmforge.sdk.cloud import CloudError, Leftover, note_build, wait_for
from vmforge.sdk.mark import RunMark


class VsphereHypervisor(Hypervisor):
    """What both builders have in common."""

    title = "vSphere"

    def __init__(self, config: VsphereOptions, context: BuildContext) -> None:
        super().__init__(config, context)
        self.options = config
        access = Access(
            config.vcenter_server, config.username, config.password, not config.insecure_connection
        )
        self.vsphere = Vsphere(access, context.cancellation)
        self.inventory = Inventory(self.vsphere, config.datacenter)
        self.mark = RunMark.of(context)
        self._machine: VsphereMachine | None = None
        self._address = SettledAddress(config, self._addresses)
        self._artifact: Artifact | None = None

    @property
    def where(self) -> str:
        """Which datacenter this is: what killed builds left is looked for there."""
        return f"{self.inventory.path} of {self.vsphere.access.host}"

    # -- before the machine is there

    def prepare(self, leftover: str) -> None:
        self.context.steps.enter("Logging in to vSphere", self.vsphere, quiet=True)
        # whatever they were called; so there is no need of `leftover`
        note_build(self.context, self.mark, self.where, self.leftovers)
        existing = self.inventory.machine_in(self.folder, self.name)
        if existing is None:
            return
        if not self.context.force:
            hint = "give `-force` to replace it, or set another `vm_name`"
            raise VmforgeError(f"vsphere: there is a machine `{self.name}` in that folder", hint=hint)
        VsphereMachine(self.vsphere, existing).delete()

    def host_address(self) -> HostAddress:
        if self.options.http_ip:
            return HostAddress("0.0.0.0", self.options.http_ip)
        return host_address_towards(self.vsphere.access.host, self.options.http_interface)

    # -- while it is there

    def create(self, media: Media, remember: Callable[[str], None]) -> None:
        entity = self._make(media)
        self._machine = VsphereMachine(self.vsphere, entity)
        self.context.data["ID"] = self._machine.id
        self._complete(media)

    def start(self) -> None:
        self._made.start()

    @contextmanager
    def console(self) -> Iterator[Console]:
        from vmforge.console.grouped import ChordReader

        yield Console(grouped_keyboard(self.options, self.context, partial(self._made.press, ChordReader())))

    def await_guest(self) -> None:
        limit = self.options.ip_wait_timeout
        reason = ""

        def look() -> str | None:
            nonlocal reason
            try:
                return self._address.look()
            except CommunicatorError as error:
                reason = error.message
            if self._made.is_off():
                hint = f"look at its log in {self.title}"
                raise MachineError(f"the machine `{self.name}` has ended", hint=hint)
            return None

        try:
            cancellation = self.context.cancellation
            wait_for(look, "the guest's address", cancellation=cancellation, limit=limit.seconds)
        except CloudError as error:
            hint = "see its console, and `ip_wait_timeout` and `ip_wait_address`"
            raise MachineError(
                f"the guest has no address after {limit}: {reason or error.message}", hint=hint
            ) from None

    def endpoint(self) -> Endpoint:
        return Endpoint(self._address.look(), self.context.connector.port)

    def is_running(self) -> bool:
        return not self._made.is_off()

    def power_button(self) -> None:
        self._made.power_button()

    def power_off(self) -> None:
        self._made.power_off()

    # -- once it is off

    def finish(self) -> None:
        if not self.context.throwaway:
            result = Result(self.options, self.context, self.vsphere, self.inventory, self._made, self.name)
            self._artifact = result.make(self._host_id, self._pool_id)

    def artifact(self, files: tuple[Path, ...]) -> Artifact:
        assert self._artifact is not None, "a build that is thrown away leaves nothing"
        return self._artifact

    @property
    def keeps_machine(self) -> bool:
        destination = self.options.content_library_destination
        in_library = destination is not None and destination.destroy and not destination.skip_import
        return not (self.context.throwaway or self.options.destroy or in_library)

    def destroy(self) -> None:
        # the build's own flag is set when it was interrupted, and this must be done all the same
        vsphere = replace(self.vsphere, cancellation=Cancellation())
        vsphere.adopt(self.vsphere)
        inventory = replace(self.inventory, vsphere=vsphere)
        # it is looked for by name: the answer that told of it may have been lost
        entity = inventory.machine_in(inventory.folder(self.options.folder), self.name)
        if entity is None:
            return
        machine = VsphereMachine(vsphere, entity)
        mark = machine.mark
        mine = self._machine is not None and self._machine.id == machine.id
        if mine or (mark is not None and mark.is_same(self.mark)):
            machine.delete()

    def leftovers(self) -> Iterable[Leftover]:
        """See `Builder.leftovers`."""
        for entity in self.inventory.all_machines():
            machine = VsphereMachine(self.vsphere, entity)
            if mark := machine.mark:
                yield Leftover("machine", machine.name, mark, machine.delete, self.where)
        for name, mark in self.files.marked():
            yield Leftover("file", self.files.path(name), mark, partial(self.files.delete, name), self.where)

    @abstractmethod
    def _make(self, media: Media) -> Any:
        """Have it made, with its mark in its notes from the start; the API's object."""

    def _complete(self, media: Media) -> None:
        """Whatever else is to be done before it starts."""

    def _addresses(self) -> list[str]:
        return self._made.addresses()

    @property
    def _made(self) -> VsphereMachine:
        assert self._machine is not None, "the machine is made before anything is asked of it"
        return self._machine

    @cached_property
    def folder(self) -> Any:
        return self.inventory.folder(self.options.folder)

    @cached_property
    def place(self) -> tuple[Any, Any]:
        """Cluster and host."""
        return self.inventory.compute(self.options)

    @cached_property
    def pool(self) -> Any:
        return self.inventory.pool(self.place[0], self.options.resource_pool)

    @cached_property
    def datastore(self) -> Any:
        return self.inventory.datastore(self.place[0], self.options)

    @cached_property
    def files(self) -> DatastoreFiles:
        """Where the build uploads to."""
        options: Any = self.options
        named = options.remote_cache_datastore
        host = None
        if options.set_host_for_datastore_uploads:
            compute, host = self.place
            host = host or self.vsphere.ask(lambda: compute.host[0])
        return DatastoreFiles(
            self.vsphere,
            self.inventory,
            self.context,
            self.mark,
            self.inventory.datastore_named(named) if named else self.datastore,
            options.remote_cache_path.strip("/") or "packer_cache",
            host,
        )

    @property
    def _host_id(self) -> str:
        host = self.place[1]
        return str(host._moId) if host is not None else ""

    @property
    def _pool_id(self) -> str:
        return str(self.pool._moId)

    @property
    def _annotation(self) -> str:
        return "\n".join(filter(None, (self.options.notes, mark_text(self.mark))))

    def _floppy(self, media: Media) -> str:
        if media.floppy is not None:
            return self.files.upload_made(media.floppy, ".flp")
        return self.options.floppy_img_path

    def _isos(self, media: Media) -> list[str]:
        """All ISOs as paths on datastores: those that are there, and the CD of the build."""
        named = [
            path if path.startswith("[") else self._library_path(path) for path in self.options.iso_paths
        ]
        return [*named, *([self.files.upload_made(media.cd, ".iso")] if media.cd is not None else [])]

    def _library_path(self, path: str) -> str:
        from vmforge.builders.vsphere.library import Libraries

        def name_of(identity: str) -> str:
            stores = self.vsphere.ask(lambda: list(self.inventory.datacenter.datastore))
            return next((str(one.name) for one in stores if one._moId == identity), identity)

        libraries = Libraries(self.vsphere.access, self.context.cancellation)
        try:
            return libraries.iso_path(path, name_of)
        finally:
            libraries.close()

    def _backing(self, network: str) -> Any:
        found = self.inventory.network(self.place[0], network)
        return self.vsphere.ask(lambda: hardware.network_backing(found))

    def _order_boot(self, order: str) -> None:
        from pyVmomi import vim

        machine = self._made
        machine.change(vim.vm.ConfigSpec(bootOptions=hardware.boot_order(order, machine.devices)))


class VsphereIso(VsphereHypervisor):
    """A machine that is installed from an ISO."""

    def __init__(self, config: VsphereIsoConfig, context: BuildContext) -> None:
        super().__init__(replace(config, vm_name=config.vm_name or f"packer-{context.name}"), context)
        self.config = replace(config, vm_name=self.name)

    def medium(self) -> IsoOptions | None:
        return None  # its checksum is needed, by which it is known on the datastore

    def _make(self, media: Media) -> Any:
        config = self.config
        isos = [*self._installer(), *self._isos(media)]
        networks = [self._backing(card.network) for card in config.network_adapters]
        spec = hardware.machine_spec(
            config, self.vsphere.ask(lambda: str(self.datastore.name)), networks, isos, self._floppy(media)
        )
        spec.annotation = self._annotation
        host = self.place[1]
        return self.vsphere.run(
            lambda: self.folder.CreateVM_Task(spec, self.pool, host), "making the machine"
        )

    def _complete(self, media: Media) -> None:
        self._order_boot(self.config.boot_order or "disk,cdrom")

    def _installer(self) -> list[str]:
        """The installer's ISO on a datastore, if it is not there anyhow."""
        config = self.config
        if not config.urls:
            return []
        medium = replace(config, iso_skip_cache=config.iso_skip_cache or config.local_cache_overwrite)
        found = self.context.steps.enter("Retrieving the ISO", HeldIso(medium, self.context))
        again, keep = config.remote_cache_overwrite, not config.remote_cache_cleanup
        return [self.files.upload_installer(found.path, found.digest, config.urls[0], again=again, keep=keep)]


class VsphereClone(VsphereHypervisor):
    """A machine that is cloned, or deployed from an OVA."""

    def __init__(self, config: VsphereCloneConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config

    def _make(self, media: Media) -> Any:
        origin = Origin(self.config, self.context, self.vsphere, self.inventory, self.name)
        compute, host = self.place
        if self.config.remote_source is not None:
            network = self.inventory.network(compute, self.config.network)
            return origin.deploy(self.folder, self.pool, self.datastore, host, network, self._annotation)
        datastore = self.datastore if self.config.datastore or self.config.datastore_cluster else None
        return origin.clone(self.folder, self.pool, datastore, host, self._annotation)

    def _complete(self, media: Media) -> None:
        origin = Origin(self.config, self.context, self.vsphere, self.inventory, self.name)
        origin.adapt(self._made, self._backing, self._isos(media), self._floppy(media))
        if self.config.boot_order:
            self._order_boot(self.config.boot_order)
