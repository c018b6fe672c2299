"""The mark that everything gets which a build makes in a cloud, so that it can be found again."""

from __future__ import annotations

import os
import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from vmforge.errors import HostError
from vmforge.sdk.context import BuildContext

RUN, BUILD, HOST, STARTED = "vmforge-run", "vmforge-build", "vmforge-host", "vmforge-started"
_NOT_A_LABEL = re.compile(r"[^a-z0-9_-]")


@dataclass(frozen=True, slots=True)
class RunMark:
    """Whose something is: the run (a UUID), the build's name in it, the machine that runs it (a random id,
    not its name), and when it started (seconds since 1970).

    All keys and values are made of `a-z`, `0-9`, `-` and `_`, the values of at most 63 characters: what
    Google's labels, the strictest of all, take
    (https://cloud.google.com/compute/docs/labeling-resources#requirements).
    """

    run: str
    build: str
    host: str
    started: int

    @classmethod
    def of(cls, context: BuildContext) -> RunMark:
        """The mark of a build. Raises `HostError` when the state folder cannot be written."""
        build = _NOT_A_LABEL.sub("-", context.full_name.lower())[:63]
        return cls(context.run_uuid, build, host_id(context.state_dir), int(context.started))

    @classmethod
    def read(cls, tags: Mapping[str, str]) -> RunMark | None:
        """The mark among a thing's tags; None when it has none, or not a whole one."""
        started = tags.get(STARTED, "")
        if not tags.get(RUN) or not started.isascii() or not started.isdigit():
            return None
        return cls(tags[RUN], tags.get(BUILD, ""), tags.get(HOST, ""), int(started))

    @classmethod
    def read_name(cls, name: str) -> RunMark | None:
        """The mark in a `name`; its `build` is a digest."""
        found = _NAME.search(name)
        if found is None:
            return None
        return cls(str(UUID(found["run"])), found["build"], found["host"], int(found["started"], 16))

    @property
    def tags(self) -> dict[str, str]:
        """The mark as tags, labels or metadata."""
        return {RUN: self.run, BUILD: self.build, HOST: self.host, STARTED: str(self.started)}

    @property
    def name(self) -> str:
        """The mark as a name of at most 63 characters, for things that have no tags (key pairs, often)."""
        run = self.run.replace("-", "")
        return f"vmforge-{run}-{self.host}-{self.started:x}-{_digest(self.build)}"

    @property
    def product_name(self) -> str:
        """A name for what is to stay, which tells the run but is no mark."""
        return f"{self.run}-{self.build}"

    def is_same(self, other: RunMark) -> bool:
        """Whether both are of one build, whichever of the two was read from a name."""
        builds = {self.build, _digest(self.build)} & {other.build, _digest(other.build)}
        return self.run == other.run and bool(builds)


_NAME = re.compile(
    r"(?<![0-9a-z])vmforge-(?P<run>[0-9a-f]{32})-(?P<host>[0-9a-f]{8})-(?P<started>[0-9a-f]+)"
    r"-(?P<build>[0-9a-f]{4})(?![0-9a-z])"
)


def _digest(build: str) -> str:
    return f"{zlib.crc32(build.encode()) & 0xFFFF:04x}"


def host_id(state_dir: Path) -> str:
    """The id of this machine and user: 8 random hexadecimal digits, made once."""
    place = state_dir / "host-id"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        staged = place.with_name(f".host-id.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            return place.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            staged.write_text(secrets.token_hex(4), encoding="ascii")
            try:
                os.link(staged, place)  # unlike a rename, leaves the one that another run made meanwhile
            except FileExistsError:
                pass
            finally:
                staged.unlink()
            return place.read_text(encoding="ascii").strip()
    except OSError as error:
        hint = "set `VMFORGE_STATE_DIR` to a folder that you may write to"
        raise HostError(f"cannot use the state folder `{state_dir}`: {error.strerror}", hint=hint) from None
