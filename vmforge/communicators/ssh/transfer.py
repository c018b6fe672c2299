"""What the ways to move files have in common: the contract, local files, and the sentences for failures."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from vmforge.errors import CommunicatorError
from vmforge.sdk.local_files import Advance

# Uploads are resumed at a multiple of so many bytes.
BLOCK = 64 * 1024


class Transfer(Protocol):
    """A way to move single files. Its methods raise `CommunicatorError` and run within a session's guard."""

    def upload(
        self, source: BinaryIO, destination: str, mode: int | None, advance: Advance, offset: int = 0
    ) -> None:
        """Write everything that `source` gives into the guest's file `destination`: in its place, or, with
        an `offset` (whole blocks of `BLOCK`), from there on."""

    def size(self, source: str) -> int | None:
        """The size of a file in the guest, if that can be told."""

    def download(self, source: str, target: BinaryIO, advance: Advance) -> None:
        """Write the guest's file `source` into `target`."""

    def chmod(self, path: str, mode: int) -> None:
        """Set the permission bits of a file or folder in the guest."""

    def close(self) -> None:
        """No more files will be moved this way."""


def refused(what: str, path: str, user: str) -> CommunicatorError:
    """The guest's user may not touch the path. `what` is an infinitive: "write"."""
    return CommunicatorError(
        f"permission denied in the guest: `{user}` may not {what} `{path}`",
        hint=f"`sudo` does not work for file transfers: {_DETOUR[what]}",
    )


_DETOUR = {
    "write": "upload to `/tmp` and move the file with `sudo mv` in a shell provisioner",
    "read": "copy the file to `/tmp` and make it readable with `sudo` in a shell provisioner first",
}


def no_folder(path: str) -> CommunicatorError:
    folder = path.rpartition("/")[0] or "/"
    return CommunicatorError(
        f"no such folder in the guest: `{folder}`, where `{path}` should go",
        hint=f"make it with `mkdir -p {folder}` in a shell provisioner first",
    )


def no_file(path: str) -> CommunicatorError:
    return CommunicatorError(
        f"no such file in the guest: `{path}`",
        hint="paths that do not begin with `/` start at the user's home",
    )


def is_folder(path: str) -> CommunicatorError:
    return CommunicatorError(
        f"`{path}` is a folder in the guest, not a file", hint=f"name the file too: `{path.rstrip('/')}/NAME`"
    )


def complained(what: str, path: str, user: str, complaint: str) -> CommunicatorError:
    """A command in the guest could not read or write the path; `complaint` is what it said."""
    words = complaint.lower()
    if "permission denied" in words or "not permitted" in words:
        return refused(what, path, user)
    if "is a directory" in words:
        return is_folder(path)
    if "no such file" in words or "nonexistent" in words or "can't cd" in words:
        return no_folder(path) if what == "write" else no_file(path)
    return CommunicatorError(f"the guest could not {what} `{path}`: {complaint}")
