"""The copies of an image in other regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmforge.builders.digitalocean.account import Api
from vmforge.sdk.cloud import Resource


@dataclass(frozen=True)
class Transfers:
    """Transfers of one image, which `image` gives the id of, side by side. They are waited for up to `limit`
    seconds, or not at all. A copy goes with its image."""

    api: Api
    image: Callable[[], int]
    regions: tuple[str, ...]
    limit: float | None
    _actions: dict[str, int] = field(default_factory=dict, compare=False)

    def resource(self) -> Resource[None]:
        listed = ", ".join(self.regions)
        return Resource(
            f"Transferring the image to {listed}",
            "transfer",
            self._begin,
            lambda none: None,
            ready=lambda none: self._await(),
            product=True,
        )

    def _begin(self) -> None:
        for region in self.regions:
            order = {"type": "transfer", "region": region}
            self._actions[region] = self.api.begin(f"images/{self.image()}", order)

    def _await(self) -> None:
        if self.limit is None:
            return
        for region, action in self._actions.items():
            self.api.finish(action, f"the image to be in {region}", self.limit, "raise `transfer_timeout`")
