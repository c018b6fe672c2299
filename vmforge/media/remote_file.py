"""A file on a server that is read in parts, by HTTP's ranges: an ISO's folders without the ISO."""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import Final

from vmforge.errors import DownloadError
from vmforge.media.download import Fetcher, FetchFailed
from vmforge.media.location import Remote

# An image's folders lie side by side: a few parts of this size hold those of most.
_BLOCK: Final = 128 * 1024
_BLOCKS_KEPT: Final = 512


class RemoteFile(io.RawIOBase):
    """The file at a URL, for reading and seeking. What was read is kept, up to 64 MiB.

    `size` is its length, `bytes_read` how many were fetched. Raises DownloadError, also on opening, where
    the server does not send parts of files.
    """

    def __init__(self, remote: Remote, fetcher: Fetcher) -> None:
        super().__init__()
        self._remote = remote
        self._fetcher = fetcher
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.bytes_read = 0
        self.size = _BLOCK  # until the first answer tells
        self._block(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """As many bytes as are asked for, or up to the end."""
        end = self.size if size is None or size < 0 else min(self.size, self._position + size)
        found = bytearray()
        while self._position < end:
            number, start = divmod(self._position, _BLOCK)
            part = self._block(number)[start : start + end - self._position]
            if not part:
                break
            found += part
            self._position += len(part)
        return bytes(found)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start = number * _BLOCK
        try:
            data, self.size = self._fetcher.read_range(self._remote, start, min(_BLOCK, self.size - start))
        except FetchFailed as failure:
            raise DownloadError(f"`{self._remote}` could not be read: {failure}") from failure
        self.bytes_read += len(data)
        self._blocks[number] = data
        if len(self._blocks) > _BLOCKS_KEPT:
            self._blocks.popitem(last=False)
        return data
