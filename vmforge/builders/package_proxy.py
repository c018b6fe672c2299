"""The package cache's proxy as a resource of a build, where the guest finds the answer files too."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType

from vmforge.sdk import BuildContext, PackageCounts, PackageProxy
from vmforge.sdk.values import format_bytes


@dataclass
class ServedPackages:
    """Runs while the build does, and says at its end what that saved.

    Listens on `host`, an address of this machine, which the guest calls `guest_host`. Where these differ the
    guest is on QEMU's user network, and knows this machine's loopback services by that name. `goes_on` says
    that the machine does so from a layer: what installed it was given its packages by an earlier run.
    """

    context: BuildContext
    host: str
    guest_host: str
    goes_on: bool = False
    _serving: AbstractContextManager[PackageProxy] | None = field(default=None, init=False)
    _proxy: PackageProxy | None = field(default=None, init=False)

    def __enter__(self) -> str:
        """Start serving; returns the proxy's URL for the guest, empty when there is to be none."""
        if self.context.packages is None:
            return ""
        aliases = {self.guest_host: self.host} if self.host != self.guest_host else {}
        self._serving = self.context.packages.serve(
            self.host,
            aliases=aliases,
            used_by=f"{self.context.template_dir.absolute()}: {self.context.full_name}",
            goes_on=self.goes_on or self.context.throwaway,
        )
        self._proxy = self._serving.__enter__()
        host = f"[{self.guest_host}]" if ":" in self.guest_host else self.guest_host
        return f"http://{host}:{self._proxy.port}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._serving is None or self._proxy is None:
            return
        self._serving.__exit__(kind, error, trace)
        counts = self._proxy.counts()
        if counts.requests or not self.context.throwaway:  # tests of a finished image seldom ask for anything
            self._tell(counts)
        for url in self._proxy.missing():
            self.context.ui.warn(f"offline, and not in the package cache: {url}")

    def _tell(self, counts: PackageCounts) -> None:
        for name in PackageCounts.__dataclass_fields__:
            self.context.ui.machine("package-cache", name, str(getattr(counts, name)))
        self.context.ui.message(f"package cache: {summary(counts)}")


def summary(counts: PackageCounts) -> str:
    """The counts as a line for people."""
    if not counts.requests:
        return "the guest asked it for nothing"
    parts = [
        f"{counts.hits} of {counts.hits + counts.misses} files were kept from before",
        f"{format_bytes(counts.served)} sent to the guest",
        f"{format_bytes(counts.from_mirrors)} of it from mirrors",
    ]
    if counts.stale:
        parts.append(f"{counts.stale} without asking a mirror, which could not be reached")
    if counts.tunnels:
        parts.append(f"{format_bytes(counts.tunnelled)} more in {counts.tunnels} tunnels, which are not kept")
    if counts.refused:
        parts.append(f"{counts.refused} not answered")
    return "; ".join(parts)
