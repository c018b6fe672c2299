"""What comes of a build in Azure: a managed image, a version in a gallery, a VHD, snapshots of disks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from vmforge.builders.azure import bodies
from vmforge.builders.azure.arm import Manager, name_of
from vmforge.builders.azure.builder import BUILDER_ID
from vmforge.builders.azure.config import AzureArmConfig
from vmforge.sdk import Artifact, BuildContext
from vmforge.sdk.cloud import CloudArtifact, CloudError, Resource, RunMark


class Images:
    """The images of one build. They carry its mark until all is done: a killed build's are half made."""

    def __init__(
        self,
        config: AzureArmConfig,
        context: BuildContext,
        manager: Manager,
        machine: str,
        location: str,
        mark: RunMark,
    ) -> None:
        self._config, self._context, self._manager = config, context, manager
        self._machine, self._location, self._mark = machine, location, mark
        self._made: list[str] = []
        self._vhd = ""

    @property
    def managed(self) -> str:
        """The managed image's id; `""` for none."""
        config = self._config
        if not config.managed_image_name:
            return ""
        group = self._manager.group(config.managed_image_resource_group_name)
        return f"{group}/providers/Microsoft.Compute/images/{config.managed_image_name}"

    @property
    def definition(self) -> str:
        """The id of the gallery's image definition; `""` for none."""
        wanted = self._config.shared_image_gallery_destination
        if not wanted.is_set:
            return ""
        group = self._manager.group(wanted.resource_group, wanted.subscription)
        gallery = f"{group}/providers/Microsoft.Compute/galleries/{wanted.gallery_name}"
        return f"{gallery}/images/{wanted.image_name}"

    @property
    def version(self) -> str:
        """The id of the version in the gallery; `""` for none."""
        wanted = self._config.shared_image_gallery_destination
        return f"{self.definition}/versions/{wanted.image_version}" if self.definition else ""

    def examine(self) -> None:
        """Refuse a build whose image could not be made. Raises `CloudError`."""
        if self._config.skip_create_image:
            return
        if self.managed:
            group = self.managed.partition("/providers/")[0]
            if self._manager.find(group) is None:
                raise CloudError(
                    f"there is no resource group `{name_of(group)}` for the image",
                    hint="make it, or check `managed_image_resource_group_name`",
                )
            self._make_room(self.managed, "managed image")
        if self.definition:
            if self._manager.find(self.definition) is None:
                raise CloudError(
                    f"there is no image definition `{name_of(self.definition)}` in the gallery",
                    hint="make it: `az sig image-definition create`",
                )
            self._make_room(self.version, "version in the gallery")

    def _make_room(self, path: str, what: str) -> None:
        if self._manager.find(path) is None:
            return
        if not self._context.force:
            hint = "give `-force` to replace it, or choose another name"
            raise CloudError(f"the {what} `{name_of(path)}` exists", hint=hint)
        self._context.ui.message(f"deleting the {what} `{name_of(path)}`")
        self._manager.delete(path)

    def capture(self) -> Iterator[Resource[Any]]:
        """Make them, one after another."""
        config = self._config
        if config.skip_create_image:
            self._context.ui.message("no image is made: `skip_create_image`")
            return
        found = self._manager.get(self._machine, **{"$expand": "instanceView"})
        yield from self._snapshots(found)
        if not config.shared_image_gallery_destination.specialized:
            self._manager.act(f"{self._machine}/generalize")
        if config.makes_vhd:
            yield self._product("Capturing the VHD", "VHD", self._capture_vhd)
            return
        if self.managed:
            generation = found["properties"].get("instanceView", {}).get("hyperVGeneration", "V1")
            body = bodies.managed_image(config, self._machine, generation)
            title = f"Creating the managed image `{config.managed_image_name}`"
            yield self._product(title, "managed image", partial(self._create, self.managed, body))
        if self.version:
            source = {"id": self.managed} if self.managed else {"virtualMachineId": self._machine}
            body = bodies.gallery_version(config, source, self._location)
            title = f"Publishing version {name_of(self.version)} of `{name_of(self.definition)}`"
            yield self._product(title, "gallery's image", partial(self._create, self.version, body))

    def _snapshots(self, machine: Mapping[str, Any]) -> Iterator[Resource[Any]]:
        system, data = bodies.disks_of(machine)
        wanted: dict[str, str] = {}
        if name := self._config.managed_image_os_disk_snapshot_name:
            wanted[name] = system
        if prefix := self._config.managed_image_data_disk_snapshot_prefix:
            wanted |= {f"{prefix}{number}": disk for number, disk in enumerate(data)}
        for name, disk in wanted.items():
            path = self._snapshot(name)
            make = partial(self._create, path, bodies.snapshot(disk))
            yield self._product(f"Making the snapshot `{name}`", "snapshot", make)

    def _product(self, title: str, what: str, make: Callable[[], str]) -> Resource[str]:
        return Resource(title, what, make, self._delete, product=True)

    def _delete(self, made: str) -> None:
        if made.startswith("/"):
            self._manager.delete(made)
        else:  # a blob, which takes the storage account's key to delete
            self._context.ui.warn(f"the VHD `{made}` is left: delete it with `az storage blob delete`")

    def _snapshot(self, name: str) -> str:
        group = self._manager.group(self._config.managed_image_resource_group_name)
        return f"{group}/providers/Microsoft.Compute/snapshots/{name}"

    def _create(self, path: str, body: Mapping[str, Any]) -> str:
        tags = {**self._config.tags, **self._mark.tags}
        self._manager.create(path, {"location": self._location, "tags": tags, **body})
        self._made.append(path)
        return path

    def _capture_vhd(self) -> str:
        told = self._manager.act(f"{self._machine}/capture", bodies.capture(self._config))
        resource = (told.get("resources") or told.get("properties", {}).get("output", {}).get("resources"))[0]
        self._vhd = str(resource["properties"]["storageProfile"]["osDisk"]["image"]["uri"])
        return self._vhd

    def finish(self) -> Artifact | None:
        """Take the build's mark off; what was made is finished."""
        for path in self._made:
            self._manager.tag(path, self._config.tags)
        made = [path for path in (self.managed, self.version) if path in self._made]
        identity = (made or [self._vhd])[0]
        if not identity:
            return None
        lines = [f"OSType: {self._config.os_type}", f"Location: {self._location}"]
        lines += [
            f"{'SharedImageGalleryVersion' if '/galleries/' in path else 'ManagedImageId'}: {path}"
            for path in made
        ]
        lines += [f"Snapshot: {path}" for path in self._made if "/snapshots/" in path]
        lines += [f"OSDiskUri: {self._vhd}"] if self._vhd else []
        state = {"location": self._location, "os_type": self._config.os_type, "images": tuple(made)}
        text = f"{BUILDER_ID}: " + ", ".join(lines)
        return CloudArtifact(BUILDER_ID, identity, text, self._destroy, state)

    def _destroy(self) -> None:
        """The image, then what it was made of."""
        for path in reversed(self._made):
            self._manager.delete(path)
