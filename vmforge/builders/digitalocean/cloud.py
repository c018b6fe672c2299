"""A build in DigitalOcean, step by step.

Keys and unfinished snapshots have the build's mark for a name, droplets have it as a tag: names can be
changed once a snapshot is finished, and a user's `droplet_name` stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from vmforge.builders.digitalocean.account import Api
from vmforge.builders.digitalocean.config import DigitalOceanConfig
from vmforge.builders.digitalocean.leftovers import delete_image, unfinished_images
from vmforge.builders.digitalocean.regions import examine_places
from vmforge.builders.digitalocean.transfers import Transfers
from vmforge.errors import CommunicatorError, HostError, MachineError
from vmforge.sdk import Artifact, BuildContext, Endpoint
from vmforge.sdk.cloud import Cloud, CloudArtifact, CloudError, Leftover, Resource, RunMark, delete_quietly

BUILDER_ID: Final = "pearkes.digitalocean"


class DigitalOcean(Cloud):
    """See `Cloud`."""

    def __init__(self, config: DigitalOceanConfig, context: BuildContext, mark: RunMark) -> None:
        super().__init__(context, mark)
        self._config = config
        self._api = Api(config, context.network, context.cancellation)
        self._limit = config.state_timeout.seconds
        self._snapshot_name = config.snapshot_name or f"packer-{int(context.started)}"
        self._key = config.ssh_key_id
        self._droplet, self._image, self._snapshotting = 0, 0, 0
        context.redact([config.token] if config.token else [])

    @property
    def place(self) -> str:
        return "DigitalOcean"  # tags, keys and snapshots belong to no region

    def examine(self) -> None:
        examine_places(self._api, self._config)

    def prepare(self) -> Iterator[Resource[Any]]:
        public = self.context.data.get("SSHPublicKey", "").strip()
        if public and not self._key:
            known = self._known_key(public)
            if known is not None:
                self._key = known
            else:
                yield Resource(
                    "Adding the SSH key", "SSH key", partial(self._add_key, public), self._delete_key
                )
        yield Resource("Making the tag", "tag", self._make_tag, self._delete_tag, quiet=True)

    def _known_key(self, public: str) -> int | None:
        """The id of a key that the account has already; DigitalOcean takes none twice."""
        wanted = public.split()[:2]
        keys = self._api.list("account/keys", "ssh_keys")
        return next((int(key["id"]) for key in keys if key["public_key"].split()[:2] == wanted), None)

    def _add_key(self, public: str) -> int:
        body = {"name": self.mark.name, "public_key": public}
        self._key = int(self._api.post("account/keys", body)["ssh_key"]["id"])
        return self._key

    def _delete_key(self, key: int) -> None:
        self._api.delete(f"account/keys/{key}")

    def _make_tag(self) -> str:
        self._api.post("tags", {"name": self.mark.name})
        return self.mark.name

    def _delete_tag(self, name: str) -> None:
        """Delete it, after what is known by it alone: a droplet whose id was never heard."""
        for droplet in self._api.list("droplets", "droplets", tag_name=name):
            self._delete_with_snapshots(int(droplet["id"]), name)
        self._api.delete(f"tags/{name}")

    def launch(self) -> Resource[str]:
        return Resource(
            "Launching the droplet",
            "droplet",
            self._make_droplet,
            lambda droplet: self._delete_droplet(int(droplet)),
            ready=lambda droplet: self._api.wait(
                lambda: self._status() == "active" or None,
                f"the droplet {droplet} to be active",
                self._limit,
                "raise `state_timeout`",
            ),
        )

    def _make_droplet(self) -> str:
        config = self._config
        body: dict[str, Any] = {
            "name": config.droplet_name or self.mark.name,
            "region": config.region,
            "size": config.size,
            "image": int(config.image) if config.image.isdecimal() else config.image,
            "ssh_keys": [self._key] if self._key else [],
            "tags": [*config.tags, self.mark.name],
            "monitoring": config.monitoring,
            "ipv6": config.ipv6,
            "private_networking": config.private_networking,
        }
        if config.vpc_uuid:
            body["vpc_uuid"] = config.vpc_uuid
        if config.droplet_agent is not None:
            body["with_droplet_agent"] = config.droplet_agent
        if user_data := self._user_data():
            body["user_data"] = user_data
        self._droplet = int(self._api.post("droplets", body)["droplet"]["id"])
        return str(self._droplet)

    def _user_data(self) -> str:
        path = self._config.user_data_file
        if path is None:
            return self._config.user_data
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise HostError(f"cannot read `{path}`: {error.strerror}") from None

    def _delete_droplet(self, droplet: int) -> None:
        """Delete it, and wait until it is gone."""
        delete_quietly(lambda: self._api.delete(f"droplets/{droplet}"))
        self._api.wait(
            lambda: self._api.find(f"droplets/{droplet}") is None or None,
            f"the droplet {droplet} to be gone",
            self._limit,
        )

    def _delete_with_snapshots(self, droplet: int, name: str) -> None:
        """A killed build's droplet, and what was still being made of it: it cannot be deleted before."""
        self._delete_droplet(droplet)
        for image in self._snapshots_named(name):
            delete_image(self._api, image)

    def _found(self) -> Any:
        """The droplet, None while it is not known everywhere yet."""
        answer = self._api.find(f"droplets/{self._droplet}")
        return answer and answer["droplet"]

    def _status(self) -> str:
        found = self._found()
        return str(found["status"]) if found else ""

    def endpoint(self) -> Endpoint:
        connector = self.context.connector
        found = self._found() or {}
        if found.get("status") in ("off", "archive"):
            raise MachineError(f"the droplet {self._droplet} has stopped", hint="build it again")
        if connector.host:
            return Endpoint(connector.host, connector.port)
        wanted = "private" if self._config.connect_with_private_ip else "public"
        addresses = (found.get("networks") or {}).get("v4") or ()
        address = next((each["ip_address"] for each in addresses if each["type"] == wanted), None)
        if address is None:
            raise CommunicatorError(f"the droplet has no {wanted} address yet")
        return Endpoint(str(address), connector.port)

    def stop(self) -> None:
        path = f"droplets/{self._droplet}"
        off = partial(self._api.wait, lambda: self._status() == "off" or None, "the droplet to stop")
        try:
            self._api.finish(
                self._api.begin(path, {"type": "shutdown"}), "the droplet to shut down", self._limit
            )
            off(self._limit)
        except CloudError as error:
            self.context.ui.message(f"it does not shut down ({error.message}): switching it off")
            what = "the droplet to be switched off"
            self._api.finish(self._api.begin(path, {"type": "power_off"}), what, self._limit)
            off(self._limit)

    def capture(self) -> Iterator[Resource[Any]]:
        if self.context.throwaway:
            return
        yield Resource(
            f"Making the snapshot {self._snapshot_name}",
            "snapshot",
            self._make_snapshot,
            lambda name: self._delete_snapshot(),
            ready=lambda name: self._await_snapshot(),
            product=True,
        )
        transfers = self._transfers()
        if transfers.regions:
            yield transfers.resource()

    def _make_snapshot(self) -> str:
        order = {"type": "snapshot", "name": self.mark.name}
        self._snapshotting = self._api.begin(f"droplets/{self._droplet}", order)
        return self.mark.name

    def _await_snapshot(self) -> None:
        limit, hint = self._config.snapshot_timeout.seconds, "raise `snapshot_timeout`"
        self._api.finish(self._snapshotting, "the snapshot to be made", limit, hint)
        self._image = self._api.wait(
            lambda: next(iter(self._own_snapshots()), None), "the snapshot to be known", self._limit
        )

    def _own_snapshots(self) -> list[int]:
        return self._snapshots_named(self.mark.name)

    def _snapshots_named(self, name: str) -> list[int]:
        images = self._api.list("images", "images", private="true")
        return [int(image["id"]) for image in images if image["name"] == name]

    def _delete_snapshot(self) -> None:
        """Delete it, also while it is being made: there is nothing to delete before it is whole."""
        if not self._image:
            self._api.wait(
                lambda: (
                    self._api.get(f"actions/{self._snapshotting}")["action"]["status"] != "in-progress"
                    or None
                ),
                "the snapshot to be made, so that it can be deleted",
                self._config.snapshot_timeout.seconds,
            )
        for image in [self._image] if self._image else self._own_snapshots():
            delete_image(self._api, image)

    def _transfers(self) -> Transfers:
        config = self._config
        others = tuple(region for region in dict.fromkeys(config.snapshot_regions) if region != config.region)
        limit = config.transfer_timeout.seconds if config.wait_snapshot_transfer else None
        return Transfers(self._api, lambda: self._image, others, limit)

    def finish(self) -> Artifact | None:
        if not self._image:
            return None
        resource = {"resource_id": str(self._image), "resource_type": "image"}
        for tag in self._config.snapshot_tags:
            self._api.post("tags", {"name": tag})
            self._api.post(f"tags/{tag}/resources", {"resources": [resource]})
        self._api.put(f"images/{self._image}", {"name": self._snapshot_name})
        regions = ",".join((self._config.region, *self._transfers().regions))
        image = self._image
        return CloudArtifact(
            BUILDER_ID,
            f"{regions}:{image}",
            f"A snapshot was created: '{self._snapshot_name}' (ID: {image}) in regions '{regions}'",
            delete=partial(delete_image, self._api, image),
            state={"SnapshotId": image, "SnapshotName": self._snapshot_name, "Regions": regions},
        )

    def leftovers(self) -> Iterator[Leftover]:
        tags = [(str(tag["name"]), RunMark.read_name(tag["name"])) for tag in self._api.list("tags", "tags")]
        for name, mark in tags:
            if mark is None:
                continue
            for droplet in self._api.list("droplets", "droplets", tag_name=name):
                place = droplet["region"]["slug"]
                delete = partial(self._delete_with_snapshots, int(droplet["id"]), name)
                yield Leftover("droplet", str(droplet["id"]), mark, delete, str(place))
        yield from unfinished_images(self._api)
        for key in self._api.list("account/keys", "ssh_keys"):
            if mark := RunMark.read_name(key["name"]):
                delete = partial(self._quietly, self._delete_key, int(key["id"]))
                yield Leftover("SSH key", str(key["id"]), mark, delete)
        for name, mark in tags:
            if mark is not None:
                yield Leftover("tag", name, mark, partial(self._quietly, self._delete_tag, name))

    def _quietly(self, delete: Any, thing: Any) -> None:
        delete_quietly(lambda: delete(thing))

    def close(self) -> None:
        self._api.close()
