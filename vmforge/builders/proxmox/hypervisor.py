"""What the recipe of builds asks of a Proxmox cluster, for machines that are installed or cloned."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote

from vmforge.builders.installing.addresses import host_address_towards
from vmforge.builders.installing.booting import grouped_keyboard
from vmforge.builders.installing.contract import Console, Hypervisor
from vmforge.builders.installing.contract import Media as Prepared
from vmforge.builders.installing.marks import mark_text, read_mark_text
from vmforge.builders.iso import IsoOptions
from vmforge.builders.proxmox.blocks import IsoFile
from vmforge.builders.proxmox.client import Proxmox
from vmforge.builders.proxmox.config import ProxmoxCloneConfig, ProxmoxIsoConfig, ProxmoxOptions
from vmforge.builders.proxmox.hardware import (
    NoRoom,
    Places,
    changes,
    drives_of,
    free_place,
    new_machine,
    places,
    storage_of,
)
from vmforge.builders.proxmox.machine import ProxmoxMachine
from vmforge.builders.proxmox.media import Inserted, Media
from vmforge.builders.services import HostAddress
from vmforge.errors import VmforgeError
from vmforge.sdk import Artifact, BuildContext, Cancellation, Duration, Endpoint
from vmforge.sdk.cloud import CloudArtifact, CloudError, Leftover, RunMark, note_build

_TRIES: Final = 10
# QEMU holds each key of `sendkey` for that long, and drops what its queue has no room for.
_KEY_PAUSE: Final = Duration(0.1)
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9.-]+")


class ProxmoxHypervisor(Hypervisor):
    """What both builders have in common."""

    title = "Proxmox"
    builder_id: ClassVar[str]

    def __init__(self, config: ProxmoxOptions, context: BuildContext) -> None:
        super().__init__(config, context)
        self.options = config
        self.node = config.node
        self.name = config.vm_name or _NOT_IN_A_NAME.sub("-", self.name)
        access = config.access()
        # those of the environment are in no option
        context.redact(secret.value for secret in (access.password, access.token) if secret)
        self.proxmox = Proxmox(access, context.cancellation, config.task_timeout)
        self.mark = RunMark.of(context)
        self.media = Media(self.proxmox, context, self.mark, self.node)
        self._machine: ProxmoxMachine | None = None
        self._inserted: tuple[Inserted, ...] = ()
        self._at = Places((), ())

    @property
    def place(self) -> str:
        """Which node this is: what killed builds left is looked for there."""
        return f"{self.node} of {self.proxmox.host}"

    # -- before the machine is there

    def prepare(self, leftover: str) -> None:
        self.proxmox.log_in()
        # whatever they were called; so there is no need of `leftover`
        note_build(self.context, self.mark, self.place, self.leftovers)
        names = sorted(str(node["node"]) for node in self.proxmox.get("nodes"))
        if self.node not in names:
            known = ", ".join(f"`{name}`" for name in names)
            raise VmforgeError(
                f"proxmox: there is no node `{self.node}`", hint=f"set `node`; known are {known}"
            )
        if self.options.vm_id is not None:
            self._make_room(self.options.vm_id)

    def host_address(self) -> HostAddress:
        return host_address_towards(self.proxmox.host, self.options.http_interface)

    # -- while it is there

    def create(self, media: Prepared, remember: Callable[[str], None]) -> None:
        self._inserted = tuple(self._insert(media))
        for _ in range(_TRIES):
            number = self.options.vm_id or int(self.proxmox.get("cluster/nextid"))
            self._machine = ProxmoxMachine(self.proxmox, self.node, number)
            try:
                task = self._request(number)
            except CloudError as error:
                # another build took the number that was free a moment ago
                if self.options.vm_id or "already exists" not in error.message:
                    raise
                continue
            self.context.data["ID"] = str(number)
            self.proxmox.wait(task, f"making the machine {number}")
            self._complete()
            return
        raise CloudError("proxmox: other machines took every free number", hint="set `vm_id`")

    def start(self) -> None:
        self._made.start()

    @contextmanager
    def console(self) -> Iterator[Console]:
        from vmforge.console.grouped import ChordReader

        options = replace(self.options, boot_key_interval=self.options.boot_key_interval or _KEY_PAUSE)
        send = partial(self._made.press, ChordReader())
        yield Console(grouped_keyboard(options, self.context, send))

    def endpoint(self) -> Endpoint:
        if not self.options.agent.enabled:
            hint = "set `ssh_host` (or `winrm_host`), or `qemu_agent = true`"
            raise VmforgeError("without its agent the guest's address is not known", hint=hint)
        return Endpoint(self._made.address(self.options.vm_interface), self.context.connector.port)

    def is_running(self) -> bool:
        return not self._made.is_off()

    def power_button(self) -> None:
        self._made.power_button()

    def power_off(self) -> None:
        self._made.power_off()

    # -- once it is off

    def finish(self) -> None:
        machine, options = self._made, self.options
        if self.context.throwaway:
            return
        self._clear()
        if not options.skip_convert_to_template:
            machine.to_template()
        # with the description goes the mark of the build: from now on it is an image
        machine.change(
            {"name": options.template_name or self.name, "description": options.template_description}
        )

    def artifact(self, files: tuple[Path, ...]) -> Artifact:
        machine = self._made
        kind = "machine" if self.options.skip_convert_to_template else "template"
        state = {"generated_data": dict(self.context.data), "proxmox_node": self.node}
        described = f"A {kind} was created: {machine.number}"
        return CloudArtifact(self.builder_id, str(machine.number), described, machine.delete, state)

    @property
    def keeps_machine(self) -> bool:
        return not self.context.throwaway

    def destroy(self) -> None:
        if self._machine is None:
            return
        # the build's own flag is set when it was interrupted, and this must be done all the same
        machine = replace(self._machine, proxmox=replace(self.proxmox, cancellation=Cancellation()))
        if self._is_ours(machine):
            machine.delete()

    def how_to_end(self) -> str:
        return f"delete it with `qm destroy {self._made.number}` on the node `{self.node}`"

    def leftovers(self) -> Iterable[Leftover]:
        """See `Builder.leftovers`."""
        for entry in self.proxmox.get(f"nodes/{self.node}/qemu"):
            machine = ProxmoxMachine(self.proxmox, self.node, int(entry["vmid"]))
            if mark := self._mark_of(machine):
                yield Leftover("machine", str(machine.number), mark, machine.delete, self.place)
        for volume, mark in self.media.marked():
            yield Leftover("CD image", volume, mark, partial(self.media.delete, volume), self.place)

    @abstractmethod
    def _request(self, number: int) -> Any:
        """Ask for the machine; returns the task that makes it."""

    def _complete(self) -> None:
        """Whatever is to be done before it starts."""

    @property
    def _made(self) -> ProxmoxMachine:
        assert self._machine is not None, "the machine is made before anything is asked of it"
        return self._machine

    @property
    def _identity(self) -> dict[str, str]:
        return {"name": self.name, "description": mark_text(self.mark)}

    @property
    def _isos(self) -> tuple[IsoFile, ...]:
        return tuple(inserted.iso for inserted in self._inserted)

    @property
    def _volumes(self) -> tuple[str, ...]:
        return tuple(inserted.volume for inserted in self._inserted)

    def _insert(self, prepared: Prepared) -> Iterator[Inserted]:
        """Have all ISOs on storages."""
        for iso in self.options.iso_files:
            yield self.media.insert(iso)
        cd = self.options.own_cd()
        if prepared.cd is not None and cd is not None:
            yield self.media.insert_made(cd, prepared.cd)

    def _mark_of(self, machine: ProxmoxMachine) -> RunMark | None:
        try:
            return read_mark_text(str(machine.config().get("description", "")))
        except CloudError as error:
            if error.is_absence:
                return None
            raise

    def _is_ours(self, machine: ProxmoxMachine) -> bool:
        """A number may be another's: taken in the very moment in which it was asked for."""
        mark = self._mark_of(machine)
        return mark is not None and mark.is_same(self.mark)

    def _make_room(self, number: int) -> None:
        """With `-force` the template that has the wished number goes; a machine does not."""
        machines = self.proxmox.get("cluster/resources", type="vm")
        found = [entry for entry in machines if entry.get("vmid") == number]
        if not found:
            return
        if not (self.context.force and found[0].get("template")):
            hint = "set another `vm_id`, or leave it out; `-force` deletes a template, never a machine"
            raise CloudError(f"proxmox: there is a machine with the number {number}", hint=hint)
        ProxmoxMachine(self.proxmox, str(found[0].get("node", self.node)), number).delete()

    def _clear(self) -> None:
        """Take out what the build has put in, and put in what the template is to have."""
        changed: dict[str, str | int] = {}
        deleted: list[str] = []
        for place, inserted in zip(self._at.isos, self._inserted, strict=True):
            # the build's own CDs are deleted, so nothing may refer to them
            if (inserted.iso.unmount or inserted.made) and inserted.iso.keep_cdrom_device:
                changed[place] = "none,media=cdrom"
            elif inserted.iso.unmount or inserted.made:
                deleted.append(place)
        drives = drives_of(self._made.config())
        deleted += [place for place, drive in drives.items() if "cloudinit" in drive.partition(",")[0]]
        if deleted:
            self._made.change({"delete": ",".join(deleted)})
        if self.options.cloud_init:
            changed |= self._seed({place: drive for place, drive in drives.items() if place not in deleted})
        if changed:
            self._made.change(changed)

    def _seed(self, drives: Mapping[str, str]) -> dict[str, str]:
        """An empty cloud-init drive."""
        disks = [drive for drive in drives.values() if "media=cdrom" not in drive]
        named = self.options.cloud_init_storage_pool
        storage = named or next(filter(None, map(storage_of, disks)), "")
        if not storage:
            hint = "set `cloud_init_storage_pool`"
            raise VmforgeError("there is no storage for the cloud-init drive", hint=hint)
        try:
            place = free_place(self.options.cloud_init_disk_type.value, drives)
        except NoRoom as error:
            hint = "set `cloud_init_disk_type`"
            raise VmforgeError(f"no place for the cloud-init drive: {error}", hint=hint) from None
        return {place: f"{storage}:cloudinit"}


class ProxmoxIso(ProxmoxHypervisor):
    """A machine that is installed from an ISO."""

    builder_id = "proxmox.iso"

    def __init__(self, config: ProxmoxIsoConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config

    def medium(self) -> IsoOptions | None:
        return None  # all ISOs, the installer's too, are brought to the storages in one way

    def _request(self, number: int) -> Any:
        config = self.config
        self._at = places(config, self._isos)
        parameters = {
            "vmid": number,
            **self._identity,
            **new_machine(config, self._at, self._volumes, number),
            **({"pool": config.pool} if config.pool else {}),
        }
        return self.proxmox.post(f"nodes/{self.node}/qemu", parameters)


class ProxmoxClone(ProxmoxHypervisor):
    """A machine that is cloned."""

    builder_id = "proxmox.clone"

    def __init__(self, config: ProxmoxCloneConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config

    def prepare(self, leftover: str) -> None:
        super().prepare(leftover)
        machines = self.proxmox.get("cluster/resources", type="vm")
        wanted = self.config.clone_vm_id or self.config.clone_vm
        found = [entry for entry in machines if wanted in (entry.get("vmid"), entry.get("name"))]
        if len(found) != 1:
            how_many = "no machine is" if not found else f"{len(found)} machines are"
            hint = "see `clone_vm`, or set `clone_vm_id`"
            raise VmforgeError(f"proxmox: {how_many} called `{wanted}`", hint=hint)
        self._origin = ProxmoxMachine(self.proxmox, str(found[0]["node"]), int(found[0]["vmid"]))

    def _request(self, number: int) -> Any:
        config = self.config
        wishes = {
            "storage": config.target_storage_pool if config.full_clone else "",
            "target": self.node if self._origin.node != self.node else "",
            "pool": config.pool,
        }
        parameters: dict[str, str | int] = {
            "newid": number,
            **self._identity,
            "full": int(config.full_clone),
            **{name: value for name, value in wishes.items() if value},
        }
        return self.proxmox.post(f"{self._origin.path}/clone", parameters)

    def _complete(self) -> None:
        drives = drives_of(self._made.config())
        try:
            self._at = places(self.config, self._isos, drives)
        except NoRoom as error:
            raise VmforgeError(f"the clone has no room for its drives: {error}") from None
        changed = changes(self.config, self._at, self._volumes, self._made.number)
        if any("cloudinit" in drive for drive in drives.values()):
            changed |= self._login()
        self._made.change(changed)

    def _login(self) -> dict[str, str]:
        """Let the build in by the clone's cloud-init drive, where there is a key for it."""
        key, user = self.context.data.get("SSHPublicKey", "").strip(), self.context.data.get("User", "")
        if not key:
            return {}
        return {"sshkeys": quote(key, safe=""), **({"ciuser": user} if user else {})}
