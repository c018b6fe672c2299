"""The data sources `amazon-ami`, `amazon-secretsmanager` and `amazon-parameterstore`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vmforge.builders.amazon.api import Account
from vmforge.builders.amazon.options.access import AccessConfig, api_of, check_access
from vmforge.builders.amazon.options.blocks import AmiFilter, given
from vmforge.builders.amazon.source import SourceImage, find_image
from vmforge.errors import VmforgeError
from vmforge.sdk import Cancellation, DataSource, Problem, Value, option
from vmforge.sdk.network import Network, RemoteInput, RemoteKind


@dataclass(frozen=True, kw_only=True)
class AmiDataConfig(AmiFilter, AccessConfig):
    """The options of `amazon-ami`."""


class AmazonAmiDataSource(DataSource[AmiDataConfig]):
    config_type = AmiDataConfig
    summary = (
        "finds an AMI: `id`, `name`, `creation_date`, `owner`, `owner_name`, `tags`, `block_device_mappings`"
    )

    @classmethod
    def check(cls, config: AmiDataConfig) -> Iterable[Problem]:
        yield from check_access(config)
        if not config.wanted:
            yield Problem("nothing says which image is meant", "filters", hint="set `filters`")
        if not given(config.owners):
            hint = 'say whose images count, as in `owners = ["amazon"]`'
            yield Problem("`owners` is missing", "owners", hint=hint)

    @classmethod
    def remote_inputs(cls, config: AmiDataConfig) -> Iterable[RemoteInput]:
        yield _input(config, "ec2", RemoteKind.DATA, "its answer")

    def read(self) -> dict[str, Value]:
        """Raises `CloudError`, `HostError` and `NetworkRefused`."""
        account = _account(self.config, self.network)
        try:
            image = SourceImage.read(find_image(account.api(), "", self.config), account.region)
        finally:
            account.close()
        tags: dict[str, Value] = dict(image.tags)
        return {
            "id": image.id,
            "name": image.name,
            "creation_date": image.created,
            "owner": image.owner,
            "owner_name": image.owner_name,
            "tags": tags,
            "block_device_mappings": [_device(device) for device in image.devices],
        }


def _device(device: Mapping[str, object]) -> dict[str, Value]:
    """A disk, with the names that the builders' options have."""
    ebs = device.get("Ebs")
    stated: Mapping[str, object] = ebs if isinstance(ebs, Mapping) else {}
    return {
        "device_name": str(device.get("DeviceName", "")),
        "virtual_name": str(device.get("VirtualName", "")),
        "snapshot_id": str(stated.get("SnapshotId", "")),
        "volume_size": int(str(stated.get("VolumeSize", 0))),
        "volume_type": str(stated.get("VolumeType", "")),
        "encrypted": bool(stated.get("Encrypted", False)),
        "delete_on_termination": bool(stated.get("DeleteOnTermination", False)),
    }


@dataclass(frozen=True, kw_only=True)
class SecretConfig(AccessConfig):
    """The options of `amazon-secretsmanager`."""

    name: str = option(help="The secret's name, or its ARN.")
    key: str = option("", help="The field of it to take.", default_text="the first")
    version_id: str = option("", help="The version to read.")
    version_stage: str = option("AWSCURRENT", help="The label of the version to read.")


class AmazonSecretsManagerDataSource(DataSource[SecretConfig]):
    config_type = SecretConfig
    summary = "reads a secret: `value`, `secret_string`, `secret_binary`, `version_id`"

    @classmethod
    def check(cls, config: SecretConfig) -> Iterable[Problem]:
        return check_access(config)

    @classmethod
    def remote_inputs(cls, config: SecretConfig) -> Iterable[RemoteInput]:
        yield _input(config, "secretsmanager", RemoteKind.SECRET, f"`{config.name}`")

    @classmethod
    def lasting(cls, answer: Mapping[str, Value]) -> Mapping[str, Value]:
        return {"version_id": answer.get("version_id")}  # a digest of a secret may tell it

    @classmethod
    def secrets(cls, answer: Mapping[str, Value]) -> Iterable[str]:
        texts = [str(answer.get(name) or "") for name in ("value", "secret_string", "secret_binary")]
        return [*texts, *(str(value) for value in _fields(texts[1]).values())]

    def read(self) -> dict[str, Value]:
        """Raises `VmforgeError`."""
        config = self.config
        account = _account(config, self.network)
        request = {"SecretId": config.name, "VersionId": config.version_id}
        request["VersionStage"] = "" if config.version_id else config.version_stage
        try:
            ask = account.api("secretsmanager")
            answer = ask("get_secret_value", **{key: value for key, value in request.items() if value})
        finally:
            account.close()
        text = str(answer.get("SecretString") or "")
        binary = base64.b64encode(answer.get("SecretBinary") or b"").decode()
        value = self._value(text)
        version = str(answer.get("VersionId", ""))
        return {"value": value, "secret_string": text, "secret_binary": binary, "version_id": version}

    def _value(self, text: str) -> str:
        fields, key = _fields(text), self.config.key
        if not fields:
            if key:
                raise VmforgeError(f"the secret `{self.config.name}` has no fields, and so no `{key}`")
            return text
        if key and key not in fields:
            listed = ", ".join(f"`{name}`" for name in fields)
            raise VmforgeError(f"the secret `{self.config.name}` has no `{key}`", hint=f"there is {listed}")
        value = fields[key or next(iter(fields))]
        return value if isinstance(value, str) else json.dumps(value)


def _fields(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, kw_only=True)
class ParameterConfig(AccessConfig):
    """The options of `amazon-parameterstore`."""

    name: str = option(help="The parameter's name.")
    with_decryption: bool = option(False, help="Decrypt a `SecureString`.")


class AmazonParameterStoreDataSource(DataSource[ParameterConfig]):
    config_type = ParameterConfig
    summary = "reads a parameter of Systems Manager: `value`, `version`, `arn`"

    @classmethod
    def check(cls, config: ParameterConfig) -> Iterable[Problem]:
        return check_access(config)

    @classmethod
    def remote_inputs(cls, config: ParameterConfig) -> Iterable[RemoteInput]:
        kind = RemoteKind.SECRET if config.with_decryption else RemoteKind.DATA
        yield _input(config, "ssm", kind, f"`{config.name}`")

    @classmethod
    def lasting(cls, answer: Mapping[str, Value]) -> Mapping[str, Value]:
        return {"version": answer.get("version"), "arn": answer.get("arn")}

    @classmethod
    def secrets(cls, answer: Mapping[str, Value]) -> Iterable[str]:
        return [str(answer.get("value") or "")] if answer.get("type") == "SecureString" else []

    def read(self) -> dict[str, Value]:
        """Raises `CloudError`, `HostError` and `NetworkRefused`."""
        account = _account(self.config, self.network)
        try:
            answer = account.api("ssm")(
                "get_parameter", Name=self.config.name, WithDecryption=self.config.with_decryption
            )["Parameter"]
        finally:
            account.close()
        return {
            "value": str(answer.get("Value", "")),
            "version": str(answer.get("Version", "")),
            "arn": str(answer.get("ARN", "")),
            "type": str(answer.get("Type", "")),
        }


def _account(config: AccessConfig, network: Network) -> Account:
    return Account(config, network, Cancellation())


def _input(config: AccessConfig, service: str, kind: RemoteKind, what: str) -> RemoteInput:
    return replace(api_of(config, service), kind=kind, what=what)
