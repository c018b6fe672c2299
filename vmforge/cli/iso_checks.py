"""One `vmforge iso verify`: every byte read again, and compared with what publishers state."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmforge.cli.iso_desk import Desk
from vmforge.errors import DownloadError

if TYPE_CHECKING:
    from vmforge.media.checksum import Checksum
    from vmforge.media.iso_catalog import IsoCatalog, KeptIso
    from vmforge.media.sums import SignedBy


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a medium; `reason` is empty where nothing is. A damaged one is of no use to anybody,
    of others only the publisher's word is missing."""

    reason: str = ""
    damaged: bool = False

    @property
    def word(self) -> str:
        if self.damaged:
            return "damaged"
        return "refused" if self.reason else "ok"


@dataclass(frozen=True)
class Checks:
    """Media to be read again. `named` is whether the user named them: a list must then have every one."""

    desk: Desk
    catalog: IsoCatalog
    entries: Sequence[KeptIso]
    sums: str
    signed: SignedBy | None
    named: bool

    def run(self) -> list[tuple[KeptIso, Verdict]]:
        """What is wrong with each. As many are read at once as there are
        processors."""
        from concurrent.futures import ThreadPoolExecutor

        expected = self._expected()
        total = sum(entry.item.size for entry in self.entries)
        with (
            self.desk.shown.progress("Reading", total, "B") as progress,
            ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        ):

            def counted(count: int) -> None:
                self.desk.cancellation.check()
                progress.advance(count)

            return list(
                zip(
                    self.entries,
                    pool.map(
                        lambda entry: self._verdict(entry, expected.get(entry.digest), counted), self.entries
                    ),
                    strict=True,
                )
            )

    def _expected(self) -> dict[str, Checksum | None]:
        """What the list says of each medium, by its digest; empty without a list."""
        from vmforge.media.checksum import choose

        if not self.sums:
            return {}
        sums = self.desk.reader().read(self.sums, self.signed)
        return {entry.digest: choose(sums.listed, self._names(entry)) for entry in self.entries}

    def _names(self, entry: KeptIso) -> list[str]:
        return [place.path for place in map(self.desk.place, entry.urls)]

    def _verdict(self, entry: KeptIso, expected: Checksum | None, counted: Callable[[int], None]) -> Verdict:
        try:
            if not self.catalog.is_whole(entry, counted):
                return Verdict("it is not what was put there", damaged=True)
            if expected is not None and self._digest(entry, expected) != expected.digest:
                return Verdict(f"the list states another {expected.algorithm}: {expected.digest}")
            if self.sums and expected is None and self.named:
                return Verdict("the list does not have it")
            if self.signed is not None and not self.sums:
                self.desk.reader().verify_medium(entry.item.path, self.signed)
        except FileNotFoundError:
            return Verdict()  # deleted meanwhile
        except OSError as error:
            return Verdict((error.strerror or str(error)).lower(), damaged=True)
        except DownloadError as error:
            return Verdict(error.message)
        return Verdict()

    def _digest(self, entry: KeptIso, expected: Checksum) -> str:
        return self.catalog.digest(entry, expected.algorithm, lambda count: self.desk.cancellation.check())
