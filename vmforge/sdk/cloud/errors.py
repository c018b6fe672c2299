"""The failures of a cloud's API."""

from __future__ import annotations

from vmforge.errors import VmforgeError


class CloudError(VmforgeError):
    """A cloud's API refused, or did not answer.

    `code` is the cloud's own word for it (`InvalidAMIID.NotFound`), `status` that of HTTP, 0 where nothing
    answered. `transient` says that the same request may work a little later (throttling, a server's fault,
    a thing just made that is not known everywhere yet).
    """

    def __init__(
        self, message: str, *, code: str = "", status: int = 0, transient: bool = False, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.status = status
        self.transient = transient

    @property
    def is_absence(self) -> bool:
        """Whether the thing that was asked for does not exist (any more)."""
        return self.status in (404, 410) or "NotFound" in self.code
