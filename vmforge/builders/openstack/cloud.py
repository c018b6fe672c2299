"""A build in OpenStack, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from vmforge.builders.openstack import bodies
from vmforge.builders.openstack.api import Account
from vmforge.builders.openstack.builder import BUILDER_ID
from vmforge.builders.openstack.config import OpenStackConfig
from vmforge.builders.openstack.images import Image, Images
from vmforge.builders.openstack.leftovers import find_leftovers
from vmforge.builders.openstack.networking import Networking
from vmforge.builders.openstack.servers import GONE, Servers, failure_of
from vmforge.builders.openstack.windows import PasswordKey, await_password
from vmforge.errors import CommunicatorError, HostError, MachineError
from vmforge.sdk import Artifact, BuildContext, Endpoint
from vmforge.sdk.cloud import Cloud, CloudArtifact, Leftover, Resource, RunMark, wait_for

_OFF: Final = ("SHUTOFF", "SUSPENDED", "PAUSED", "SHELVED", "SHELVED_OFFLOADED")
_RACKCONNECT: Final = "rackconnect_automation_status"
_LONGEST_NAME = 255


class OpenStackCloud(Cloud):
    """See `Cloud`."""

    def __init__(self, config: OpenStackConfig, context: BuildContext, mark: RunMark) -> None:
        super().__init__(context, mark)
        self.config = config
        self.account = Account(config, context.network, context.cancellation)
        limit = self._limit = config.state_timeout.seconds
        deleting = self.account.insistent()
        self._servers, self._images = Servers(self.account, limit), Images(self.account, limit)
        self._deleting, self._unwanted = Servers(deleting, limit), Images(deleting, limit)
        self._networking = Networking(config, self.account, deleting, mark)
        self._source: Image = {}
        self._flavor = self._server = self._volume = self._image = ""
        self._key_name = ""
        self._password_key: PasswordKey | None = None

    @property
    def place(self) -> str:
        return self.config.place

    def examine(self) -> None:
        config = self.config
        self._flavor = str(self._servers.find_flavor(config.flavor)["id"])
        if not config.external_source_image_url:
            self._source = self._images.find_source(config)
            self.context.ui.message(
                f"the source image is `{self._source['id']}` ({self._source.get('name')})"
            )
        self._networking.examine()

    # -- what the server needs ----------------------------------------------------------------

    def prepare(self) -> Iterator[Resource[Any]]:
        yield from self._key_pair()
        if self.config.external_source_image_url:
            yield self._external_image()
        if self.config.use_blockstorage_volume:
            yield self._boot_volume()

    def _key_pair(self) -> Iterator[Resource[str]]:
        """The key pair that lets vmforge in. One that the user has is in the image, or has a name in Nova."""
        login, data = self.context.connector.config, self.context.data
        self._key_name = str(getattr(login, "ssh_keypair_name", ""))
        public = data.get("SSHPublicKey", "") if getattr(login, "makes_key_pair", False) else ""
        if data.get("ConnType") == "winrm" and not data.get("WinRMPassword"):
            self._password_key = PasswordKey.make()
            public = self._password_key.public
        if public and not self._key_name:
            self._key_name = self.mark.name
            yield Resource(
                "Importing the key pair",
                "key pair",
                lambda: self._servers.import_key(self.mark.name, public),
                self._deleting.delete_key,
            )

    def _external_image(self) -> Resource[str]:
        config = self.config
        body = {
            **config.external_source_image_properties,
            **self.mark.tags,
            "name": self.mark.name,
            "disk_format": config.external_source_image_format,
            "container_format": "bare",
        }

        def ready(image: str) -> None:
            self._images.fetch(image, config.external_source_image_url)
            self._source = self._images.await_active(image, importing=True)

        return Resource(
            "Letting the cloud fetch the source image",
            "image",
            lambda: self._images.create(body),
            self._unwanted.delete,
            ready=ready,
        )

    def _boot_volume(self) -> Resource[str]:
        def create() -> str:
            name = self.config.volume_name or self.mark.name
            body = bodies.volume(self.config, name, self._source, self.mark.tags)
            self._volume = self._servers.create_volume(body)
            return self._volume

        return Resource(
            "Making the volume",
            "volume",
            create,
            self._deleting.delete_volume,
            ready=self._servers.await_volume,
        )

    # -- the server ---------------------------------------------------------------------------

    def launch(self) -> Resource[str]:
        return Resource(
            "Launching the server",
            "server",
            self._create_server,
            partial(self._deleting.delete, force=self.config.force_delete),
            ready=self._await_server,
        )

    def _create_server(self) -> str:
        config = self.config
        launch = bodies.Launch(
            name=(config.instance_name or config.image_name or self.mark.name)[:_LONGEST_NAME],
            flavor=self._flavor,
            image=str(self._source["id"]),
            volume=self._volume,
            networks=self._networking.networks,
            key_name=self._key_name,
            user_data=self._user_data(),
            marks=self.mark.tags,
        )
        self._server = self._servers.create(bodies.server(config, launch))
        return self._server

    def _user_data(self) -> bytes:
        path = self.config.user_data_file
        if path is None:
            return self.config.user_data.encode()
        try:
            return path.read_bytes()
        except OSError as error:
            raise HostError(f"cannot read `{path}`: {error.strerror}") from None

    def _await_server(self, server: str) -> None:
        self._servers.await_state(server, "ACTIVE")
        if self.config.rackconnect_wait:
            self.context.ui.message("waiting for RackConnect")
            wait_for(
                lambda: self._servers.get(server)["metadata"].get(_RACKCONNECT) == "DEPLOYED" or None,
                "RackConnect to set up the server",
                cancellation=self.context.cancellation,
                limit=self._limit,
                hint="is this Rackspace's cloud? leave `rackconnect_wait` out",
            )

    def reach(self) -> Iterator[Resource[Any]]:
        if self._password_key is not None:
            self._read_password(self._password_key)
        floating = self._networking.floating(self._server)
        if floating is not None:
            yield floating

    def _read_password(self, key: PasswordKey) -> None:
        def read() -> None:
            password = key.decrypt(await_password(self.account, self._server, self._limit))
            self.context.redact([password])
            self.context.data.update(WinRMPassword=password, Password=password)

        self.context.steps.run("Waiting for the password of Windows", read)

    def endpoint(self) -> Endpoint:
        found = self._servers.get(self._server)
        if found["status"] == "ERROR":
            raise failure_of(found)
        if found["status"] in (*_OFF, *GONE):
            raise MachineError(f"the server `{self._server}` is {found['status']}", hint="build it again")
        connector = self.context.connector
        host = connector.host or self._networking.address_of(found)
        if not host:
            where = self.config.ssh_interface
            hint = f"has it a network `{where}`?" if where else "is it attached to a network?"
            raise CommunicatorError("the server has no address yet", hint=hint)
        return Endpoint(host, connector.port)

    def console(self) -> str:
        return self._servers.console(self._server)

    def stop(self) -> None:
        """Stop it. A volume is free for an image only once its server is gone: Nova detaches no root disk."""
        self._servers.stop(self._server)
        if self._volume and not self._makes_nothing:
            self.context.ui.message("deleting the server, so that its volume is free")
            self._servers.delete(self._server, force=self.config.force_delete)
            self._servers.await_volume(self._volume)

    # -- what comes of it ---------------------------------------------------------------------

    @property
    def _makes_nothing(self) -> bool:
        return self.config.skip_create_image or self.context.throwaway

    def capture(self) -> Iterator[Resource[Any]]:
        if self.config.skip_create_image:
            self.context.ui.message("no image is made: `skip_create_image`")
        if self._makes_nothing:
            return
        yield Resource(
            f"Making the image {self.config.image_name}",
            "image",
            self._capture_volume if self._volume else self._capture_server,
            self._unwanted.delete,
            ready=self._finish_image,
            product=True,
        )

    def _capture_server(self) -> str:
        wanted = bodies.image_of_server(self.config, self.mark.tags)
        answer = self._servers.act(self._server, "createImage", wanted)
        # up to version 2.44 the image's URL is in a header
        told = (answer.body or {}).get("image_id") or answer.headers.get("location", "")
        return str(told).rstrip("/").rpartition("/")[2]

    def _capture_volume(self) -> str:
        return self._servers.upload_volume(self._volume, bodies.image_of_volume(self.config, self.mark.name))

    def _finish_image(self, image: str) -> None:
        self._images.await_active(image)
        self._image = image

    def finish(self) -> Artifact | None:
        image = self._image
        if not image:
            return None
        self._images.complete(image, self.config)
        state: Mapping[str, object] = {"ImageName": self.config.image_name, "SourceImage": self._source["id"]}
        return CloudArtifact(
            BUILDER_ID, image, f"An image was created: {image}", partial(self._unwanted.delete, image), state
        )

    def leftovers(self) -> Iterator[Leftover]:
        return find_leftovers(self.account, self._limit, force=self.config.force_delete)

    def close(self) -> None:
        self.account.close()
