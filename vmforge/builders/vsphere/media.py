"""The ISOs and floppies of a build on datastores: found there, or uploaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from vmforge.builders.vsphere.client import Vsphere
from vmforge.builders.vsphere.inventory import Inventory
from vmforge.builders.vsphere.transfer import Transfer
from vmforge.sdk import BuildContext, Cancellation
from vmforge.sdk.cloud import CloudError, insist
from vmforge.sdk.mark import RunMark

_DIGITS: Final = 16
_UPLOAD_PATIENCE: Final = 60.0


@dataclass
class DatastoreFiles:
    """Files in one folder of one datastore. `host` is that to upload to, None for vCenter."""

    vsphere: Vsphere
    inventory: Inventory
    context: BuildContext
    mark: RunMark
    datastore: Any
    folder: str
    host: Any = None

    @property
    def name(self) -> str:
        return str(self.vsphere.ask(lambda: self.datastore.name))

    def path(self, file: str) -> str:
        """Where a file of the folder is, as the API writes it."""
        return f"[{self.name}] {self.folder}/{file}"

    def upload_installer(self, file: Path, digest: str, url: str, *, again: bool, keep: bool) -> str:
        """Have an ISO there under its checksum, which is its SHA-256; its path."""
        name = f"{digest[:_DIGITS]}-{_file_name(url)}"
        if not again and self._size(name) == file.stat().st_size:
            self.context.ui.message(f"`{self.path(name)}` is there already")
        else:
            self.context.ui.message(f"uploading `{self.path(name)}`")
            self._upload(file, name)
        if not keep:
            self.context.steps.enter("Noting the uploaded ISO", _Uploaded(self, name, None), quiet=True)
        return self.path(name)

    def upload_made(self, file: Path, suffix: str) -> str:
        """Upload what was made for the build; it is deleted when the build ends. Its path."""
        name = f"{self.mark.name}-{file.stem}{suffix}"
        self.context.steps.enter(f"Uploading `{file.name}`", _Uploaded(self, name, file), quiet=True)
        return self.path(name)

    def delete(self, name: str) -> None:
        """Delete a file; nothing when it is gone."""
        manager, datacenter = self.vsphere.content.fileManager, self.inventory.datacenter
        path = self.path(name)
        try:
            self.vsphere.run(lambda: manager.DeleteDatastoreFile_Task(path, datacenter), f"deleting `{path}`")
        except CloudError as error:
            if not error.is_absence:
                raise

    def marked(self) -> Iterator[tuple[str, RunMark]]:
        """The files that builds have made."""
        from pyVmomi import vim

        browser = self.vsphere.ask(lambda: self.datastore.browser)
        spec = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["vmforge-*"])
        where = f"[{self.name}] {self.folder}"
        try:
            found = self.vsphere.run(lambda: browser.SearchDatastore_Task(where, spec), "looking for files")
        except CloudError as error:
            if error.is_absence:
                return
            raise
        for file in found.file or ():
            if mark := RunMark.read_name(file.path):
                yield str(file.path), mark

    def anew(self) -> DatastoreFiles:
        """The same, for work that must be done although the build was interrupted."""
        vsphere = replace(self.vsphere, cancellation=Cancellation())
        vsphere.adopt(self.vsphere)
        return replace(self, vsphere=vsphere, inventory=replace(self.inventory, vsphere=vsphere))

    def _size(self, name: str) -> int | None:
        transfer = self._transfer()
        return insist(
            lambda: transfer.size(self._url(name)),
            cancellation=self.context.cancellation,
            limit=_UPLOAD_PATIENCE,
        )

    def _upload(self, file: Path, name: str) -> None:
        self._make_folder()
        with self.context.ui.progress(f"uploading {name}", file.stat().st_size) as progress:

            def send() -> None:
                url, cookie = self._url(name), ""
                if self.host is not None:
                    url, cookie = self._host_place(name)
                self._transfer().put(url, file, progress.advance, cookie=cookie)

            insist(send, cancellation=self.context.cancellation, limit=_UPLOAD_PATIENCE)

    def _make_folder(self) -> None:
        manager, datacenter = self.vsphere.content.fileManager, self.inventory.datacenter
        path = f"[{self.name}] {self.folder}"
        try:
            self.vsphere.do(lambda: manager.MakeDirectory(path, datacenter, True))
        except CloudError as error:
            if error.code != "FileAlreadyExists":
                raise

    def _url(self, name: str) -> str:
        return self._transfer().datastore_url(f"{self.folder}/{name}", self.name, self.inventory.path)

    def _host_place(self, name: str) -> tuple[str, str]:
        """Where the host itself takes the file, and the ticket for it: one for each upload."""
        from pyVmomi import vim

        host = self.vsphere.ask(lambda: self.host.name)
        url = self._transfer().host_url(host, f"{self.folder}/{name}", self.name)
        spec = vim.SessionManager.HttpServiceRequestSpec(method="httpPut", url=url)
        sessions = self.vsphere.content.sessionManager
        ticket = self.vsphere.do(lambda: sessions.AcquireGenericServiceTicket(spec))
        return url, f"vmware_cgi_ticket={ticket.id}"

    def _transfer(self) -> Transfer:
        return Transfer(self.vsphere.access, lambda: self.vsphere.cookie, self.vsphere.cancellation)


@dataclass(frozen=True)
class _Uploaded:
    """A file of the build on a datastore, as a resource of it; None for one that is there already."""

    files: DatastoreFiles
    name: str
    file: Path | None

    def __enter__(self) -> str:
        if self.file is not None:
            try:
                self.files._upload(self.file, self.name)
            except BaseException:
                self._delete()  # the answer may have been lost, and not the file
                raise
        return self.files.path(self.name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._delete()

    def keep(self) -> str:
        return f"the file `{self.files.path(self.name)}`"

    def _delete(self) -> None:
        self.files.anew().delete(self.name)


def _file_name(url: str) -> str:
    name = PurePosixPath(unquote(urlsplit(url).path) or url).name or "installer.iso"
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
