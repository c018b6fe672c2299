"""A build in EC2, step by step, as far as all builders of instances have it in common."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

from vmforge.builders.amazon.api import Account
from vmforge.builders.amazon.instances import Instances, raise_if_ended
from vmforge.builders.amazon.leftovers import find_leftovers
from vmforge.builders.amazon.options.access import limit_of
from vmforge.builders.amazon.options.blocks import BlockDevice, SshInterface, together
from vmforge.builders.amazon.options.run import RunConfig
from vmforge.builders.amazon.places import Place, find_groups, find_places, permission, sources
from vmforge.builders.amazon.profile import check_profile, delete_profile, make_profile
from vmforge.builders.amazon.requests import Launch
from vmforge.builders.amazon.session_manager import Tunnel
from vmforge.builders.amazon.source import SourceImage, find_image
from vmforge.builders.amazon.tagging import specification
from vmforge.builders.amazon.windows import PasswordKey, wait_for_password
from vmforge.errors import CommunicatorError, VmforgeError
from vmforge.sdk import BuildContext, Duration, Endpoint
from vmforge.sdk.cloud import Cloud, CloudError, Leftover, Resource, RunMark
from vmforge.sdk.values import expand_home

R = TypeVar("R", bound=RunConfig)

# How old an answer about the instance may be while it is waited for.
_FRESH_SECONDS = 5.0
_NAME = "Name"


class AmazonCloud(Cloud, Generic[R]):
    """EC2 up to the provisioned instance; what is made of it, subclasses say."""

    def __init__(self, config: R, context: BuildContext, mark: RunMark) -> None:
        super().__init__(context, mark)
        self.config = config
        self.account = Account(config, context.network, context.cancellation)
        self.deleting = self.account.insistent()
        self.instances = Instances(config, self.account, self.deleting, mark, context.ui)
        self.instance = ""
        self._places: list[Place] = [Place()]
        self._groups: tuple[str, ...] = ()
        self._key_name = self._profile = ""
        self._password_key: PasswordKey | None = None
        self._tunnel: Tunnel | None = None
        self._seen: tuple[float, dict[str, Any] | None] = (0.0, None)

    @property
    def place(self) -> str:
        return self.account.place

    def examine(self) -> None:
        config, context = self.config, self.context
        if not config.skip_credential_validation:
            self.account.api("sts")("get_caller_identity")
        context.data.update(self.source.data)
        context.ui.message(f"source image `{self.source.id}` ({self.source.name})")
        self._places = find_places(config, self.account.api())
        self._groups = find_groups(config, self.account.api(), self._places[0].vpc)
        if config.iam_instance_profile and not config.skip_profile_validation:
            check_profile(self.account, config.iam_instance_profile)

    @cached_property
    def source(self) -> SourceImage:
        config = self.config
        found = find_image(self.account.api(), config.source_ami, config.source_ami_filter)
        return SourceImage.read(found, self.account.region)

    def rendered(self, tags: dict[str, str]) -> dict[str, str]:
        """Tags, with what they say of the source image."""
        return {key: self.context.render(value, self.source.fields) for key, value in tags.items()}

    @property
    def devices(self) -> tuple[BlockDevice, ...]:
        """The instance's disks."""
        return self.config.launch_block_device_mappings

    @cached_property
    def run_tags(self) -> dict[str, str]:
        return self.rendered(together(self.config.run_tags, self.config.run_tag))

    @cached_property
    def marked(self) -> dict[str, str]:
        """The tags of all that is made for the build."""
        return {_NAME: f"vmforge {self.context.full_name}", **self.run_tags, **self.mark.tags}

    def prepare(self) -> Iterator[Resource[Any]]:
        yield from self._key_pair()
        if not self._groups:
            yield Resource(
                "Making the security group", "security group", self._make_group, self._delete_group
            )
        document = self.config.temporary_iam_instance_profile_policy_document
        if document is not None and not self.config.iam_instance_profile:
            yield Resource(
                "Making the instance profile",
                "instance profile",
                lambda: make_profile(self.account, self.mark, document, self.marked),
                partial(delete_profile, self.deleting),
            )
            self._profile = self.mark.name

    def _key_pair(self) -> Iterator[Resource[Any]]:
        """The key pair that lets vmforge in. One that the user has is not sent to the instance: it is in the
        image, or has a name in the account."""
        login = self.context.connector.config
        self._key_name = str(getattr(login, "ssh_keypair_name", ""))
        public = self.context.data.get("SSHPublicKey", "") if getattr(login, "makes_key_pair", False) else ""
        if self._reads_password and not self._key_name:
            self._password_key = PasswordKey.make()
            public = self._password_key.public
        if public and not self._key_name:
            yield Resource(
                "Making the key pair",
                "key pair",
                partial(self._import_key, public),
                lambda name: self.deleting.api()("delete_key_pair", KeyName=name),
            )
            self._key_name = self.mark.name

    @property
    def _reads_password(self) -> bool:
        """Whether Windows' own password is needed."""
        data = self.context.data
        return data.get("ConnType") == "winrm" and not data.get("WinRMPassword")

    def _import_key(self, public: str) -> str:
        tags = specification(("key-pair",), self.marked)
        request = {"KeyName": self.mark.name, "PublicKeyMaterial": public.encode(), "TagSpecifications": tags}
        self.account.api()("import_key_pair", **request)
        return self.mark.name

    def _make_group(self) -> str:
        request: dict[str, Any] = {"VpcId": self._places[0].vpc} if self._places[0].vpc else {}
        answer = self.account.api()(
            "create_security_group",
            GroupName=self.mark.name,
            Description=f"of the build {self.context.full_name}",
            TagSpecifications=specification(("security-group",), self.marked),
            **request,
        )
        self._groups = (str(answer["GroupId"]),)
        if (
            self.config.ssh_interface is not SshInterface.SESSION_MANAGER
            and self.context.connector.needs_network
        ):
            try:
                self._let_in(self._groups[0])
            except BaseException:
                self._delete_group(self._groups[0])
                raise
        return self._groups[0]

    def _let_in(self, group: str) -> None:
        rules = permission(self.context.connector.port, sources(self.config, self.context.network))
        self.account.api()("authorize_security_group_ingress", GroupId=group, IpPermissions=rules)

    def _delete_group(self, group: str) -> None:
        self.deleting.api()("delete_security_group", GroupId=group)

    def launch(self) -> Resource[str]:
        config = self.config
        volume_tags = self.rendered(together(config.run_volume_tags, config.run_volume_tag))
        launch = Launch(
            self.source.id,
            self._key_name,
            self._groups,
            config.iam_instance_profile or self._profile,
            self._user_data(),
            self.marked,
            self.devices,
            {**volume_tags, **self.mark.tags},
            self.rendered(together(config.spot_tags, config.spot_tag)),
            {**self.rendered(together(config.fleet_tags, config.fleet_tag)), **self.mark.tags},
        )
        self.context.steps.explain = self._explain
        return self.instances.resource(launch, self._places)

    def _user_data(self) -> bytes:
        if self.config.user_data_file is None:
            return self.config.user_data.encode()
        path = expand_home(self.config.user_data_file)
        try:
            return path.read_bytes()
        except OSError as error:
            raise VmforgeError(f"cannot read `{path}`: {error.strerror}") from None

    def _explain(self, error: VmforgeError) -> VmforgeError:
        """A broken connection is the instance's end, when a spot instance is taken away."""
        if not isinstance(error, CommunicatorError) or not self.instance:
            return error
        try:
            found = self.instances.describe(self.instance, self.deleting)
            if found is not None:
                raise_if_ended(found)
        except CloudError as ended:
            return ended
        return error

    def reach(self) -> Iterable[Resource[Any]]:
        self.instance = self.context.data["ID"]
        if self._password_key is not None:
            yield Resource(
                "Waiting for the password of Windows", "", self._read_password, lambda made: None, quiet=False
            )
        if self.config.ssh_interface is SshInterface.SESSION_MANAGER:
            self._tunnel = Tunnel(
                self.config, self.account, self.deleting, self.instance, self.context.connector.port
            )
            yield self._tunnel.resource(self.context)

    def _read_password(self) -> str:
        assert self._password_key is not None
        limit = limit_of(self.config, self.config.windows_password_timeout)
        password = wait_for_password(
            self.account.api(),
            self.instance,
            self._password_key,
            cancellation=self.context.cancellation,
            limit=limit,
        ).value
        self.context.redact([password])
        self.context.data.update(WinRMPassword=password, Password=password)
        return ""

    def endpoint(self) -> Endpoint:
        connector = self.context.connector
        if self._tunnel is not None:
            return self._tunnel.endpoint()
        if connector.host:
            return Endpoint(connector.host, connector.port)
        host = address(self._look(), self.config.ssh_interface)
        if not host:
            raise CommunicatorError(
                "the instance has no address yet", hint="set `associate_public_ip_address`"
            )
        return Endpoint(host, connector.port)

    def _look(self) -> dict[str, Any]:
        """What EC2 said of the instance not long ago. Raises `CloudError` when it is gone."""
        asked, found = self._seen
        if found is None or time.monotonic() - asked > _FRESH_SECONDS:
            found = self.instances.describe(self.context.data["ID"]) or {}
            if found:
                raise_if_ended(found)
            self._seen = time.monotonic(), found
        return found

    def console(self) -> str:
        answer = self.account.api()("get_console_output", InstanceId=self.instance)
        return str(answer.get("Output", ""))

    def stop(self) -> None:
        self.instance = self.context.data["ID"]
        if not self.config.is_spot:  # a spot instance cannot be stopped, and is imaged while it runs
            self.instances.stop(self.instance, itself=self.config.disable_stop_instance)

    def leftovers(self) -> Iterable[Leftover]:
        return find_leftovers(self.deleting, self.regions)

    @property
    def regions(self) -> tuple[str, ...]:
        """The other regions in which a build makes something."""
        return ()

    def close(self) -> None:
        self.account.close()
        self.deleting.close()

    def waited(self, usual: Duration) -> float:
        return limit_of(self.config, usual)


def address(instance: dict[str, Any], interface: SshInterface | None) -> str:
    """An instance's address; empty while it has none."""
    public, private = instance.get("PublicIpAddress") or "", instance.get("PrivateIpAddress") or ""
    known = {
        SshInterface.PUBLIC_IP: public,
        SshInterface.PRIVATE_IP: private,
        SshInterface.PUBLIC_DNS: instance.get("PublicDnsName"),
        SshInterface.PRIVATE_DNS: instance.get("PrivateDnsName"),
        SshInterface.IPV6: instance.get("Ipv6Address") or _first_ipv6(instance),
    }
    return str((known.get(interface) if interface else public or private) or "")


def _first_ipv6(instance: dict[str, Any]) -> str:
    for interface in instance.get("NetworkInterfaces") or ():
        for one in interface.get("Ipv6Addresses") or ():
            return str(one["Ipv6Address"])
    return ""
