"""What a component gets to know and use while a build runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.network import Network
from vmforge.sdk.ui import Ui

if TYPE_CHECKING:
    from vmforge.sdk.communicator import Communicator, Connector, GuestAgent
    from vmforge.sdk.layers import Layers
    from vmforge.sdk.live import LiveStatus
    from vmforge.sdk.packages import PackageCache
    from vmforge.sdk.steps import Steps


class Machine(Protocol):
    """The running machine, as provisioners see it."""

    @property
    def communicator(self) -> Communicator: ...


@dataclass(frozen=True)
class BuildContext:
    """One build's surroundings, made by the pipeline.

    `name` is the source's label (Packer's BUILDNAME: default file names, `PACKER_BUILD_NAME`);
    `full_name` is what the user sees and selects by (`demo.qemu.base`). `scratch` is a folder of this
    build's own, deleted when it ends; `state_dir` lasts. `connector` is the source's configured
    communicator. `data` holds the run-time values of the template (`build.Host`, `{{ .HTTPIP }}` ...);
    the builder fills it before it provisions. `started` is when the build began, in seconds since 1970;
    `template_digest` the SHA-256 of the template. `render` renders a `{{ }}` text with the given fields
    beside the standard functions. `redact` hides secrets that come up while the build runs;
    `hide` takes all that are known out of a text that is written to a file. `layers` are
    None for a build that is to have none. A `throwaway` build writes nowhere but in `scratch`. `agent` is
    the guest's, of a connector that needs it. `screenshots`
    is a folder for pictures of the machine's screen, `film` a file for a film of it, if they are wanted.
    `packages` keeps what guests fetch, if that is wanted.
    Whatever goes to a network asks `network` first. `locked_media` are the checksums that a lock file has for
    media (`sha256:HEX`), by their key in the store (`RemoteInput.key`).
    """

    name: str
    full_name: str
    builder_type: str
    run_uuid: str
    template_dir: Path
    scratch: Path
    state_dir: Path
    ui: Ui
    cancellation: Cancellation
    steps: Steps
    connector: Connector  # type: ignore[type-arg]  # of whichever configuration
    render: Callable[[str, Mapping[str, object]], str]
    provision: Callable[[Machine], None]
    redact: Callable[[Iterable[str]], None] = lambda secrets: None
    hide: Callable[[str], str] = lambda text: text
    force: bool = False
    debug: bool = False
    started: float = 0.0
    template_digest: str = ""
    data: MutableMapping[str, str] = field(default_factory=dict)
    layers: Layers | None = None
    throwaway: bool = False
    agent: GuestAgent | None = None
    screenshots: Path | None = None
    film: Path | None = None
    packages: PackageCache | None = None
    network: Network = field(default_factory=Network)
    locked_media: Mapping[str, str] = field(default_factory=dict)

    @property
    def live(self) -> LiveStatus:
        """What is known of the build right now."""
        return self.steps.live

    def environment(self) -> dict[str, str]:
        """The variables that every script gets, in the guest and here, named as in Packer."""
        values = {
            "PACKER_BUILD_NAME": self.name,
            "PACKER_BUILDER_TYPE": self.builder_type,
            "PACKER_RUN_UUID": self.run_uuid,
        }
        for variable, key in _HTTP_VARIABLES.items():
            if key in self.data:
                values[variable] = self.data[key]
        return values

    def guest_environment(self) -> dict[str, str]:
        """The variables that every script in the guest gets. With a package cache, programs find it by them;
        the builder's own services on this machine they reach without it."""
        proxy = self.data.get("PackageProxy", "")
        if not proxy:
            return self.environment()
        host = proxy.partition("://")[2].rpartition(":")[0]
        none_for = ",".join(dict.fromkeys(("localhost", "127.0.0.1", "::1", host)))
        return self.environment() | {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": none_for}


_HTTP_VARIABLES = {
    "PACKER_HTTP_ADDR": "PackerHTTPAddr",
    "PACKER_HTTP_IP": "PackerHTTPIP",
    "PACKER_HTTP_PORT": "PackerHTTPPort",
}
