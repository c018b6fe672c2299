"""One answer of a mirror on its way into the store; any number of clients read it as it comes."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Final

from vmforge.cache import space_checked
from vmforge.errors import VmforgeError
from vmforge.package_cache.counts import Tally
from vmforge.package_cache.headers import is_storable, kept_headers, passed_headers, resume_headers
from vmforge.package_cache.shelf import Kept, PackageShelf, Staged
from vmforge.package_cache.upstream import Answer, Upstream, UpstreamFailed
from vmforge.package_cache.urls import Refused, Target, is_lasting, stated_sha256

log = logging.getLogger("vmforge.package_cache")

# Attempts to go on with a body that broke off, without a byte of progress.
_ATTEMPTS: Final = 3
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")
_NOT_MODIFIED: Final = 304
_ABSENT: Final = (404, 410)


class Broken(Exception):
    """The body ends before its end."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The mirror's answer has begun: its status, the headers to pass on, the size of its body if known."""

    status: int
    headers: Mapping[str, str]
    size: int | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What is kept is to be sent: the mirror says so, or (`why`) it cannot be asked."""

    kept: Kept
    why: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """There is nothing to send but a status and a sentence."""

    status: int
    reason: str


Outcome = Answered | Unchanged | Failed


@dataclass(frozen=True)
class Wanted:
    """What to fetch. `kept` is what there is of an earlier time. `keeps` is False for what is one client's
    alone, or is not worth keeping."""

    method: str
    target: Target
    headers: Mapping[str, str]
    aliases: Mapping[str, str] = field(default_factory=dict)
    kept: Kept | None = None
    keeps: bool = True

    @property
    def url(self) -> str:
        return self.target.url


class Fetch:
    """Fetches on a thread of its own, from `start`; `done` is called when all is over.

    Whoever starts it is its first reader, others `join`, and each of them has to `leave`. A reader learns
    from `outcome` what there is, and waits with `available`; its `stopped` ends its waits, once `wake` is
    called.
    """

    def __init__(
        self,
        wanted: Wanted,
        upstream: Upstream,
        shelf: PackageShelf,
        tally: Tally,
        done: Callable[[Fetch], None],
    ) -> None:
        self.wanted = wanted
        self._upstream, self._shelf, self._tally, self._done = upstream, shelf, tally, done
        self._changed = threading.Condition()
        self._outcome: Outcome | None = None
        self._written = 0
        self._over = False
        self._broken = ""
        self._staged: Staged | None = None
        self._readers = 1
        self._hasher = hashlib.sha256()

    def start(self) -> None:
        threading.Thread(target=self._run, name="package-fetch", daemon=True).start()

    @property
    def is_receiving(self) -> bool:
        """Whether a body comes, or is being kept."""
        return self._staged is not None

    # -- what readers see ---------------------------------------------------------------------

    def join(self) -> bool:
        """Become a reader, unless it is over: then what it fetched is kept, or was nothing to keep."""
        with self._changed:
            if self._over:
                return False
            self._readers += 1
            return True

    def leave(self) -> None:
        with self._changed:
            self._readers -= 1
            self._close_unread()

    def outcome(self, stopped: threading.Event) -> Outcome:
        """What the mirror answers. Raises Broken when the reader is stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._outcome is not None or stopped.is_set())
            if self._outcome is None:
                raise Broken("stopped")
            return self._outcome

    def available(self, offset: int, stopped: threading.Event) -> int:
        """How many bytes of the body there are: more than `offset`, or as many at its end. Raises Broken."""
        with self._changed:
            self._changed.wait_for(lambda: self._written > offset or self._over or stopped.is_set())
            if self._written > offset:
                return self._written
            if not self._over or self._broken:
                raise Broken(self._broken or "stopped")
            return self._written

    def fileno(self) -> int:
        """The file that the body is written to, for a reader that has its outcome."""
        assert self._staged is not None
        return self._staged.file.fileno()

    def wake(self) -> None:
        """Let readers look whether they are stopped."""
        with self._changed:
            self._changed.notify_all()

    # -- fetching -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._fetch()
        except (UpstreamFailed, VmforgeError, OSError) as error:
            self._break_off(str(error))
        except Exception as error:
            log.exception("fetching %s failed", self.wanted.url)
            self._break_off(str(error))
        finally:
            if self._staged is not None:
                self._staged.discard()
            self._done(self)
            with self._changed:
                self._over = True
                self._changed.notify_all()
                self._close_unread()

    def _fetch(self) -> None:
        try:
            answer = self._ask(self.wanted.headers)
        except Refused as refused:
            self._publish(Failed(refused.status, refused.reason))
            return
        except UpstreamFailed as failure:
            self._publish(self._without_mirror(str(failure)))
            return
        kept = self.wanted.kept
        if answer.status == _NOT_MODIFIED and kept is not None:
            answer.finish()
            self._publish(Unchanged(self._shelf.confirm(kept, kept_headers(answer.headers))))
            return
        if answer.status >= 500 and kept is not None:
            answer.close()
            self._publish(Unchanged(kept, f"the mirror answers {answer.status}"))
            return
        self._receive(answer)

    def _ask(self, headers: Mapping[str, str]) -> Answer:
        wanted = self.wanted
        return self._upstream.ask(wanted.method, wanted.target, headers, wanted.aliases)

    def _without_mirror(self, reason: str) -> Outcome:
        kept = self.wanted.kept
        return Unchanged(kept, reason) if kept is not None else Failed(502, reason)

    def _receive(self, answer: Answer) -> None:
        """Write the body to a file, and keep that if it may be kept."""
        first = answer.headers
        size = answer.size if not answer.is_chunked else None
        has_end = answer.is_chunked or size is not None
        try:
            self._staged = self._shelf.stage()
            if size is not None and size > self._shelf.free_bytes():
                raise UpstreamFailed("no space is left for it in the package cache")
            self._publish(Answered(answer.status, passed_headers(first, self.wanted.method), size))
            with space_checked(self._staged.path.parent):
                self._copy(answer, size, first)
        except BaseException:
            answer.close()
            raise
        if answer.status == 200 and self.wanted.keeps and has_end and is_storable(first):
            self._keep(first)
        elif answer.status in _ABSENT and self.wanted.keeps:
            self._shelf.note_absent(self.wanted.url)

    def _copy(self, answer: Answer, size: int | None, first: Message) -> None:
        """Copy the whole body, which may take several answers: mirrors break off."""
        fruitless, furthest = 0, 0
        conditions = None
        if answer.status == 200 and self.wanted.keeps and size is not None:
            conditions = resume_headers(first, lasting=is_lasting(self.wanted.url))
        while True:
            try:
                self._copy_one(answer)
                answer.finish()
                return
            except UpstreamFailed as failure:
                answer.close()
                fruitless = 0 if self._written > furthest else fruitless + 1
                furthest = self._written
                if size is None or conditions is None or fruitless >= _ATTEMPTS:
                    raise
                log.debug("%s: %s after %d bytes; going on", self.wanted.url, failure, self._written)
                answer = self._ask_for_rest(conditions, size)

    def _copy_one(self, answer: Answer) -> None:
        assert self._staged is not None
        while chunk := answer.read():
            unwritten = memoryview(chunk)
            while unwritten:  # an unbuffered file may take less when its disk is nearly full
                unwritten = unwritten[self._staged.file.write(unwritten) :]
            self._hasher.update(chunk)
            self._tally.add(from_mirrors=len(chunk))
            with self._changed:
                self._written += len(chunk)
                self._changed.notify_all()

    def _ask_for_rest(self, conditions: Mapping[str, str], size: int) -> Answer:
        """Raises UpstreamFailed when the mirror cannot go on where it stopped."""
        plain = {name: value for name, value in self.wanted.headers.items() if not name.startswith("If-")}
        try:
            answer = self._ask({**plain, **conditions, "Range": f"bytes={self._written}-"})
        except Refused as refused:
            raise UpstreamFailed(refused.reason) from None
        place = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status == 206 and place and (int(place[1]), int(place[2])) == (self._written, size):
            return answer
        answer.close()
        raise UpstreamFailed("the mirror broke off and does not go on where it stopped")

    def _keep(self, headers: Message) -> None:
        assert self._staged is not None
        digest, url = self._hasher.hexdigest(), self.wanted.url
        stated = stated_sha256(url)
        if is_lasting(url) and stated not in (None, digest):
            log.warning("%s is not what its name says, and is not kept", url)
            return
        try:
            self._shelf.keep(url, self._staged, digest, kept_headers(headers))
        except (VmforgeError, OSError) as error:
            # whoever reads has it whole all the same
            log.warning("%s is not kept: %s", url, error)

    def _publish(self, outcome: Outcome) -> None:
        with self._changed:
            self._outcome = outcome
            self._changed.notify_all()

    def _break_off(self, reason: str) -> None:
        with self._changed:
            self._broken = reason or "broken off"
            if self._outcome is None:
                self._outcome = Failed(502, self._broken)
            self._changed.notify_all()

    def _close_unread(self) -> None:
        if self._over and not self._readers and self._staged is not None:
            self._staged.file.close()
