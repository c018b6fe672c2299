"""A build in Azure: a resource group of its own, or one of the user's, and a machine in it."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from vmforge.builders.azure import bodies
from vmforge.builders.azure.arm import Manager, name_of
from vmforge.builders.azure.certificate import winrm_secret
from vmforge.builders.azure.config import AzureArmConfig
from vmforge.builders.azure.images import Images
from vmforge.builders.azure.leftovers import find_leftovers
from vmforge.builders.azure.login import Login, Places
from vmforge.errors import CommunicatorError
from vmforge.sdk import Artifact, BuildContext, Endpoint
from vmforge.sdk.cloud import Cloud, CloudError, Leftover, Resource, RunMark

_CONSOLE_SECONDS = 120  # how long the address of the console's text is good


class AzureCloud(Cloud):
    """See `Cloud`; the machine and what it needs are in one resource group."""

    def __init__(self, config: AzureArmConfig, context: BuildContext, mark: RunMark) -> None:
        super().__init__(context, mark)
        self.config = config
        digest = hashlib.sha256(f"{mark.run} {mark.build}".encode()).digest()
        self.names = bodies.Names.of(config, base64.b32encode(digest).decode().lower()[:10])
        self._manager: Manager | None = None
        self._login: Login | None = None
        self._location = config.location
        self._subnet = self._address = self._firewall = self._interface = ""
        self._vault = self._certificate = ""
        self._images: Images | None = None

    @property
    def place(self) -> str:
        return f"Azure's subscription {self.config.subscription or 'of `az login`'}"

    @property
    def manager(self) -> Manager:
        """The subscription's, logged in."""
        if self._manager is None:
            network, cancellation = self.context.network, self.context.cancellation
            places = Places.find(self.config, network, cancellation)
            login = self._login = Login(self.config, places)
            self._manager = Manager(
                places.manager,
                self.config.subscription or login.subscription(),
                headers=lambda: login.headers(places.manager),
                network=network,
                cancellation=cancellation,
                limit=self.config.polling_duration_timeout.seconds,
            )
        return self._manager

    @property
    def group(self) -> str:
        return self.manager.group(self.names.group)

    @property
    def machine(self) -> str:
        """The machine's id."""
        return self._id("Compute", "virtualMachines", self.names.computer)

    def examine(self) -> None:
        if self.config.build_resource_group_name:
            found = self.manager.find(self.group)
            if found is None:
                raise CloudError(f"there is no resource group `{self.names.group}`")
            self._location = found["location"]
        self._images = Images(
            self.config, self.context, self.manager, self.machine, self._location, self.mark
        )
        self._images.examine()
        if self.config.virtual_network_name:
            self._subnet = self._find_subnet()

    # -- what the machine needs ---------------------------------------------------------------

    def prepare(self) -> Iterator[Resource[Any]]:
        if not self.config.build_resource_group_name:
            yield self._resource_group()
        if self._wants_certificate:
            yield from self._certificates()
        if self.config.has_public_address or not self._subnet:
            self._firewall = self._id("Network", "networkSecurityGroups", self.names.firewall)
            rules = bodies.firewall(self.config, self.context.connector.port)
            yield self._make("firewall", self._firewall, rules)
        if not self._subnet:
            network = self._id("Network", "virtualNetworks", self.names.network)
            yield self._make("network", network, bodies.network(self.names.subnet, self._firewall))
            self._subnet = f"{network}/subnets/{self.names.subnet}"
        if self.config.has_public_address:
            self._address = self._id("Network", "publicIPAddresses", self.names.address)
            yield self._make("public address", self._address, bodies.address(self.config))
        self._interface = self._id("Network", "networkInterfaces", self.names.interface)
        attached = self._firewall if self.config.virtual_network_name else ""
        body = bodies.interface(self._subnet, self._address, attached)
        yield self._make("network interface", self._interface, body)

    def _resource_group(self) -> Resource[str]:
        title = f"Creating the resource group `{self.names.group}`"
        wait = not self.config.async_resourcegroup_delete
        delete = {"forceDeletionTypes": "Microsoft.Compute/virtualMachines"}
        return Resource(
            title,
            "resource group",
            lambda: self._create(self.group, {}),
            lambda made: self.manager.delete(made, wait=wait, **delete),
        )

    def _make(self, what: str, path: str, body: Mapping[str, Any]) -> Resource[str]:
        """A resource; what is in a group of the build's own goes with that."""
        own_group = not self.config.build_resource_group_name
        delete = (lambda made: None) if own_group else self.manager.delete
        return Resource(f"Creating the {what}", what, lambda: self._create(path, body), delete)

    def _create(self, path: str, body: Mapping[str, Any]) -> str:
        marked = {"location": self._location, "tags": {**self.config.tags, **self.mark.tags}, **body}
        self.manager.create(path, marked)
        return path

    @property
    def _wants_certificate(self) -> bool:
        skipped = self.config.skip_create_build_key_vault and not self.config.build_key_vault_name
        return self.config.is_windows and self.context.data.get("ConnType") == "winrm" and not skipped

    def _certificates(self) -> Iterator[Resource[Any]]:
        """A key vault with the certificate for WinRM."""
        assert self._login is not None  # whoever examined has logged in
        group = self.config.build_resource_group_name or self.names.group
        self._vault = f"{self.manager.group(group)}/providers/Microsoft.KeyVault/vaults/{self.names.vault}"
        if not self.config.build_key_vault_name:
            tenant = self.config.tenant or self._login.tenant()
            body = bodies.vault(self.config, tenant, self._login.object_id())
            yield Resource(
                "Creating the key vault",
                "key vault",
                lambda: self._create(self._vault, body),
                self._delete_vault,
            )
        secret = f"{self._vault}/secrets/{self.config.build_key_vault_secret_name}"
        host = f"{self.names.computer}.cloudapp.net"
        value = winrm_secret(host, self.config.winrm_expiration_time.seconds)

        def store() -> str:
            body = {"properties": {"value": value, "contentType": "application/x-pkcs12"}}
            found = self.manager.create(secret, body)
            self._certificate = found["properties"]["secretUriWithVersion"]
            return secret

        # a secret cannot be deleted here; it goes with its vault, or is the user's and has run out by then
        yield Resource("Storing the certificate for WinRM", "secret", store, lambda made: None, quiet=True)

    def _delete_vault(self, made: str) -> None:
        """Azure keeps a deleted vault, and its name taken, unless it is purged."""
        self.manager.delete(made)
        place = f"/subscriptions/{self.manager.subscription}/providers/Microsoft.KeyVault/locations"
        region = self._location.lower().replace(" ", "")
        try:
            self.manager.act(f"{place}/{region}/deletedVaults/{name_of(made)}/purge")
        except CloudError:
            pass  # it takes a right that not everybody has; Azure does it after some weeks

    def _find_subnet(self) -> str:
        """The subnet that the options name. Raises `CloudError`."""
        name = self.config.virtual_network_name
        listed = f"/subscriptions/{self.manager.subscription}/providers/Microsoft.Network/virtualNetworks"
        if group := self.config.virtual_network_resource_group_name:
            listed = f"{self.manager.group(group)}/providers/Microsoft.Network/virtualNetworks"
        found = [network for network in self.manager.list(listed) if network["name"].lower() == name.lower()]
        if len(found) != 1:
            hint = "set `virtual_network_resource_group_name`" if found else "check `virtual_network_name`"
            how_many = f"{len(found)} networks are called" if found else "there is no network"
            raise CloudError(f"{how_many} `{name}`", hint=hint)
        names = [subnet["name"] for subnet in found[0]["properties"]["subnets"]]
        wanted = self.config.virtual_network_subnet_name
        if wanted and wanted not in names:
            raise CloudError(
                f"the network `{name}` has no subnet `{wanted}`", hint=f"it has {_listed(names)}"
            )
        if not wanted and len(names) != 1:
            hint = f"set `virtual_network_subnet_name`: it has {_listed(names)}"
            raise CloudError(f"the network `{name}` has {len(names)} subnets", hint=hint)
        return f"{found[0]['id']}/subnets/{wanted or names[0]}"

    # -- the machine --------------------------------------------------------------------------

    def launch(self) -> Resource[str]:
        account = self._account()
        body = bodies.machine(self.config, self.names, account, self._interface, self.manager.subscription)
        return self._make(f"virtual machine `{self.names.computer}`", self.machine, body)

    def _account(self) -> bodies.Account:
        data = self.context.data
        user = data.get("User") or "packer"
        key, password = data.get("SSHPublicKey", "").strip(), data.get("Password", "")
        if not password and (self.config.is_windows or not key):
            # long, and of all four kinds of characters, as Azure demands
            password = f"{secrets.token_urlsafe(24)}aA1!"
            self.context.redact([password])
            data["Password"] = data["WinRMPassword"] = password
        return bodies.Account(user, password, key, self._certificate, self._vault)

    def reach(self) -> Iterator[Resource[Any]]:
        if self.config.custom_script:
            script = f"{self.machine}/extensions/vmforge"
            yield self._make("custom script's run", script, bodies.script_extension(self.config))

    def endpoint(self) -> Endpoint:
        connector = self.context.connector
        if connector.host:
            return Endpoint(connector.host, connector.port)
        if self._address:
            host = self.manager.get(self._address)["properties"].get("ipAddress", "")
        else:
            found = self.manager.get(self._interface)["properties"]["ipConfigurations"][0]
            host = found["properties"].get("privateIPAddress", "")
        if not host:
            raise CommunicatorError("the machine has no address yet")
        return Endpoint(host, connector.port)

    def console(self) -> str:
        place = f"{self.machine}/retrieveBootDiagnosticsData"
        told = self.manager.act(f"{place}?sasUriExpirationTimeInMinutes={_CONSOLE_SECONDS // 60}")
        return self.manager.text(told.get("serialConsoleLogBlobUri", ""))

    def stop(self) -> None:
        self.manager.act(f"{self.machine}/deallocate")

    # -- what comes of it ---------------------------------------------------------------------

    def capture(self) -> Iterator[Resource[Any]]:
        assert self._images is not None
        yield from self._images.capture()

    def finish(self) -> Artifact | None:
        assert self._images is not None
        return self._images.finish()

    def leftovers(self) -> Iterator[Leftover]:
        return find_leftovers(self.manager)

    def close(self) -> None:
        if self._manager is not None:
            self._manager.close()

    def _id(self, namespace: str, kind: str, name: str) -> str:
        return f"{self.group}/providers/Microsoft.{namespace}/{kind}/{name}"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
