"""What builds that were killed have left where nobody but the platform knows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmforge.sdk.mark import RunMark


@dataclass(frozen=True, slots=True)
class Leftover:
    """A thing of a build that may be dead: `kind` is what the platform calls it ("instance"), `id` its
    identity there, `place` where it is ("eu-west-1"). `delete` deletes it, waits until it is gone, and does
    nothing when it is gone already."""

    kind: str
    id: str
    mark: RunMark
    delete: Callable[[], None] = field(compare=False)
    place: str = ""

    def __str__(self) -> str:
        where = f" in {self.place}" if self.place else ""
        return f"{self.kind} `{self.id}`{where}"
