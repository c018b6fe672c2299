"""The ISOs of a build on a node's storages: found there, downloaded by the node, or uploaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Final
from urllib.parse import unquote, urlsplit

from vmforge.builders.iso import HeldIso
from vmforge.builders.proxmox.blocks import IsoFile
from vmforge.builders.proxmox.client import Proxmox
from vmforge.builders.removable_media import make_cd
from vmforge.sdk import BuildContext, Cancellation
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.mark import RunMark

_DOWNLOAD_SECONDS: Final = 4 * 3600.0
_DIGITS: Final = 16
_ALGORITHMS: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


@dataclass(frozen=True, slots=True)
class Inserted:
    """An ISO on a storage (`local:iso/debian.iso`). One that was `made` for the build goes with it."""

    iso: IsoFile
    volume: str
    made: bool = False


@dataclass
class Media:
    """Brings ISOs to a node. Installers' are kept under their checksum: the next build finds them."""

    proxmox: Proxmox
    context: BuildContext
    mark: RunMark
    node: str
    _count: int = field(default=0, init=False)

    def insert(self, iso: IsoFile) -> Inserted:
        """Have an ISO on a storage."""
        if iso.iso_file:
            return Inserted(iso, iso.iso_file)
        if iso.wants_cd:
            image = make_cd(iso, self.context, f"cd{self._count}.iso")
            assert image is not None
            return self.insert_made(iso, image)
        if iso.iso_download_pve:
            return Inserted(iso, self._download(iso))
        retrieved = self.context.steps.enter("Retrieving an ISO", HeldIso(iso, self.context))
        return self.insert_installer(iso, retrieved.path, retrieved.digest)

    def insert_installer(self, iso: IsoFile, file: Path, digest: str) -> Inserted:
        """Upload an ISO of this machine, unless the storage has it. `digest` is its SHA-256."""
        name = f"{digest[:_DIGITS]}-{_file_name(iso.urls[0])}"
        volume = f"{iso.iso_storage_pool}:iso/{name}"
        if self._content(iso.iso_storage_pool).get(volume) == file.stat().st_size:
            self.context.ui.message(f"`{volume}` is there already")
        else:
            self.context.ui.message(f"uploading `{volume}`")
            self.proxmox.upload(self.node, iso.iso_storage_pool, file, name, digest, self.context.ui)
        return Inserted(iso, volume)

    def insert_made(self, iso: IsoFile, image: Path) -> Inserted:
        """Upload a CD that was made for the build; it is deleted when the build ends."""
        name = f"{self.mark.name}-{self._count}.iso"
        self._count += 1
        volume = f"{iso.iso_storage_pool}:iso/{name}"
        self.context.steps.enter("Uploading a CD", _UploadedCd(self, image, name, volume), quiet=True)
        return Inserted(iso, volume, made=True)

    def delete(self, volume: str) -> None:
        """Delete an ISO; nothing when it is gone."""
        storage = volume.partition(":")[0]
        try:
            task = self.proxmox.delete(f"nodes/{self.node}/storage/{storage}/content/{volume}")
            self.proxmox.wait(task, f"deleting `{volume}`")
        except CloudError as error:
            if not error.is_absence:
                raise

    def marked(self) -> Iterator[tuple[str, RunMark]]:
        """The CDs that builds have made, on all storages of the node."""
        for storage in self.proxmox.get(f"nodes/{self.node}/storage", content="iso", enabled=1):
            if not storage.get("active", 1):
                continue
            for volume in self._content(str(storage["storage"])):
                if mark := RunMark.read_name(volume):
                    yield volume, mark

    def _download(self, iso: IsoFile) -> str:
        """Have the node download an ISO."""
        url = iso.urls[0]
        kind, _, digest = ("" if iso.checksum == "none" else iso.checksum).rpartition(":")
        name = f"{digest[:_DIGITS]}-{_file_name(url)}" if digest else _file_name(url)
        volume = f"{iso.iso_storage_pool}:iso/{name}"
        if digest and volume in self._content(iso.iso_storage_pool):
            self.context.ui.message(f"`{volume}` is there already")
            return volume
        kind = kind or _ALGORITHMS.get(len(digest), "sha256")
        checked = {"checksum": digest, "checksum-algorithm": kind} if digest else {}
        self.context.ui.message(f"the node downloads `{volume}`")
        task = self.proxmox.post(
            f"nodes/{self.node}/storage/{iso.iso_storage_pool}/download-url",
            {"content": "iso", "filename": name, "url": url, **checked},
        )
        self.proxmox.wait(task, f"downloading `{name}`", _DOWNLOAD_SECONDS)
        return volume

    def _content(self, storage: str) -> dict[str, int]:
        listed = self.proxmox.get(f"nodes/{self.node}/storage/{storage}/content", content="iso")
        return {str(entry["volid"]): int(entry.get("size", 0)) for entry in listed}


@dataclass(frozen=True)
class _UploadedCd:
    """A CD of the build on a storage, as a resource of it."""

    media: Media
    image: Path
    name: str
    volume: str

    def __enter__(self) -> str:
        storage = self.volume.partition(":")[0]
        media = self.media
        try:
            media.proxmox.upload(media.node, storage, self.image, self.name, "", media.context.ui)
        except BaseException:
            self._delete()  # the answer may have been lost, and not the file
            raise
        return self.volume

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._delete()

    def keep(self) -> str:
        return f"the CD image `{self.volume}`"

    def _delete(self) -> None:
        # the build's own flag is set when it was interrupted, and this must be done all the same
        replace(self.media, proxmox=replace(self.media.proxmox, cancellation=Cancellation())).delete(
            self.volume
        )


def _file_name(url: str) -> str:
    """A URL's file name, in the characters that Proxmox leaves as they are."""
    name = PurePosixPath(unquote(urlsplit(url).path) or url).name or "installer"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    return plain if plain.lower().endswith(".iso") else f"{plain}.iso"
