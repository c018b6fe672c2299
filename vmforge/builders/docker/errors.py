"""The failures of an engine."""

from __future__ import annotations

from vmforge.errors import VmforgeError

NOT_FOUND, CONFLICT = 404, 409


class EngineError(VmforgeError):
    """The engine refused, or did not answer. `status` is that of HTTP, 0 where nothing answered."""

    def __init__(self, message: str, *, status: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status

    @property
    def is_absence(self) -> bool:
        """Whether the thing that was asked for does not exist (any more)."""
        return self.status == NOT_FOUND
