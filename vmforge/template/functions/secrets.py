"""Secrets of Vault, Consul and AWS. The only module that knows hvac and boto3; their exceptions end here.

Whatever is read is a secret from then on. What may not be asked offline is noted as missing, and unknown.
HCL calls these functions through their declarations, the engine of `{{ }}` through `engine_functions`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from vmforge.errors import HostError
from vmforge.sdk.decoding import UNKNOWN_TEXT
from vmforge.sdk.extras import needs
from vmforge.sdk.gotemplate import Function as EngineFunction
from vmforge.sdk.network import Network, RemoteInput, RemoteKind
from vmforge.sdk.values import UNKNOWN
from vmforge.template.expressions.types import STRING
from vmforge.template.functions.context import FunctionContext
from vmforge.template.functions.declaration import FunctionError, Parameter, function

_TIMEOUT: Final = 30.0
_CONSUL: Final = "http://127.0.0.1:8500"
_VAULT: Final = "https://127.0.0.1:8200"
_AWS: Final = "https://secretsmanager.amazonaws.com"
_TRUE: Final = ("1", "t", "true")


@function(
    "A field of a secret in Vault, which `VAULT_ADDR` and `VAULT_TOKEN` tell of. Needs `vmforge[vault]`.",
    Parameter("path", STRING),
    Parameter("key", STRING),
    context=True,
)
def vault(context: FunctionContext, path: str, key: str) -> object:
    return _read(context, read_vault, path, key)


@function(
    "The value of a key in Consul, which `CONSUL_HTTP_ADDR` and `CONSUL_HTTP_TOKEN` tell of.",
    Parameter("key", STRING),
    context=True,
)
def consul_key(context: FunctionContext, key: str) -> object:
    return _read(context, read_consul, key)


@function(
    "A field of a secret in AWS Secrets Manager, or its only one; a secret that is plain text as a whole. "
    "Needs `vmforge[aws]`.",
    Parameter("name", STRING),
    Parameter("key", STRING, nullable=True, optional=True),
    context=True,
)
def aws_secretsmanager(context: FunctionContext, name: str, key: str | None = None) -> object:
    return _read(context, read_aws_field, name, key or "")


@function(
    "A whole secret in AWS Secrets Manager, as it is stored. Needs `vmforge[aws]`.",
    Parameter("name", STRING),
    context=True,
)
def aws_secretsmanager_raw(context: FunctionContext, name: str) -> object:
    return _read(context, read_aws, name)


def engine_functions(
    environment: Mapping[str, str], secrets: set[str], network: Network | None = None
) -> Mapping[str, EngineFunction]:
    """The same functions for `Interpolator.with_functions`: they raise ValueError, and add what they
    read to `secrets`."""
    allowed = network or Network()

    def call(read: Callable[..., str], *arguments: str) -> str:
        if not _may_ask(allowed, environment, read, arguments[0]):
            return UNKNOWN_TEXT
        try:
            found = read(environment, *arguments)
        except FunctionError as error:
            raise ValueError(f"{error}" + (f"; {error.hint}" if error.hint else "")) from None
        secrets.add(found)
        return found

    # their parameters tell the engine how many arguments they take
    def of_vault(path: str, key: str) -> str:
        return call(read_vault, path, key)

    def of_consul(key: str) -> str:
        return call(read_consul, key)

    def of_aws(name: str, key: str = "") -> str:
        return call(read_aws_field, name, key)

    def of_aws_raw(name: str) -> str:
        return call(read_aws, name)

    return {
        "vault": of_vault,
        "consul_key": of_consul,
        "aws_secretsmanager": of_aws,
        "aws_secretsmanager_raw": of_aws_raw,
    }


def _read(context: FunctionContext, read: Callable[..., str], *arguments: str) -> object:
    if not _may_ask(context.network, context.environment, read, arguments[0]):
        return UNKNOWN
    found = read(context.environment, *arguments)
    if found:
        context.secrets.add(found)
    return found


def _may_ask(network: Network, environment: Mapping[str, str], read: Callable[..., str], name: str) -> bool:
    """Whether a server may be asked; what it was to be asked for is noted as missing if not."""
    server, address = {
        read_vault: ("Vault", environment.get("VAULT_ADDR") or _VAULT),
        read_consul: ("Consul", _consul_address(environment)),
    }.get(read, ("AWS Secrets Manager", environment.get("AWS_ENDPOINT_URL") or _AWS))
    if network.allows(address):
        return True
    network.miss(RemoteInput(RemoteKind.SECRET, f"`{name}` of {server}", (address,)))
    return False


def read_vault(environment: Mapping[str, str], path: str, key: str) -> str:
    """A string of the secret at a path as the API has it: `secret/data/x` in the second version of the
    key-value engine, `secret/x` in the first."""
    hvac = _library("hvac", "vault")
    import requests.exceptions  # what hvac lets through when it cannot connect

    if not environment.get("VAULT_TOKEN"):
        raise FunctionError("`VAULT_TOKEN` is not set", hint="log in: `export VAULT_TOKEN=...`")
    try:
        client = hvac.Client(
            url=environment.get("VAULT_ADDR") or _VAULT,
            token=environment["VAULT_TOKEN"],
            namespace=environment.get("VAULT_NAMESPACE") or None,
            verify=_trust(environment),
            timeout=_TIMEOUT,
        )
        answer = client.read(path)
    except (hvac.exceptions.VaultError, requests.exceptions.RequestException) as error:
        raise FunctionError(f"Vault does not give `{path}`: {error}", hint="look at `VAULT_ADDR`") from None
    fields = (answer or {}).get("data") or {}
    if isinstance(fields.get("data"), dict):
        fields = fields["data"]
    if not isinstance(fields.get(key), str):
        known = ", ".join(f"`{name}`" for name in fields) or "nothing"
        raise FunctionError(f"there is no text `{key}` at `{path}` in Vault", hint=f"there is {known}")
    return str(fields[key])


def _trust(environment: Mapping[str, str]) -> bool | str:
    if environment.get("VAULT_SKIP_VERIFY", "").lower() in _TRUE:
        return False
    return environment.get("VAULT_CACERT") or True


def read_consul(environment: Mapping[str, str], key: str) -> str:
    """The value of a key, as text (https://developer.hashicorp.com/consul/api-docs/kv#read-key)."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.parse import quote
    from urllib.request import Request, urlopen

    address = _consul_address(environment)
    if not address.startswith(("http://", "https://")):
        raise FunctionError(f"`CONSUL_HTTP_ADDR` is `{address}`, not `http://` or `https://`")
    url = f"{address.rstrip('/')}/v1/kv/{quote(key.lstrip('/'))}?raw"
    hint = "look at `CONSUL_HTTP_ADDR` and `CONSUL_HTTP_TOKEN`"
    try:
        with urlopen(Request(url, headers=_consul_login(environment)), timeout=_TIMEOUT) as answer:
            return bytes(answer.read()).decode("utf-8", "replace")
    except HTTPError as error:
        if error.code == 404:
            raise FunctionError(f"there is no key `{key}` in Consul", 0) from None
        raise FunctionError(f"Consul does not give `{key}`: {error.code} {error.reason}", hint=hint) from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise FunctionError(f"Consul at `{address}` does not answer: {error}", hint=hint) from None


def _consul_address(environment: Mapping[str, str]) -> str:
    address = environment.get("CONSUL_HTTP_ADDR") or _CONSUL
    if "://" in address:
        return address
    secure = environment.get("CONSUL_HTTP_SSL", "").lower() in _TRUE
    return f"{'https' if secure else 'http'}://{address}"


def _consul_login(environment: Mapping[str, str]) -> dict[str, str]:
    headers = {}
    if token := environment.get("CONSUL_HTTP_TOKEN"):
        headers["X-Consul-Token"] = token
    if login := environment.get("CONSUL_HTTP_AUTH"):
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    return headers


def read_aws(environment: Mapping[str, str], name: str) -> str:
    """The text of a secret's current version. Login and region are found as boto3 finds them, and in
    `AWS_REGION`, where Packer looks too."""
    boto3 = _library("boto3", "aws")
    import botocore.exceptions

    try:
        client = boto3.client("secretsmanager", region_name=environment.get("AWS_REGION") or None)
        answer = client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ValueError) as error:
        hint = "look at `AWS_REGION`, and at the login with `aws sts get-caller-identity`"
        raise FunctionError(f"AWS does not give `{name}`: {error}", hint=hint) from None
    if "SecretString" not in answer:
        raise FunctionError(f"the secret `{name}` is no text", 0)
    return str(answer["SecretString"])


def read_aws_field(environment: Mapping[str, str], name: str, key: str = "") -> str:
    text = read_aws(environment, name)
    try:
        fields = json.loads(text)
    except ValueError:
        return text
    if not isinstance(fields, dict):
        raise FunctionError(f"the secret `{name}` has no fields", 0, hint="use `aws_secretsmanager_raw`")
    listed = ", ".join(f"`{field}`" for field in fields)
    if not key and len(fields) != 1:
        raise FunctionError(f"the secret `{name}` has several fields", hint=f"name one: {listed}")
    value = fields.get(key or next(iter(fields)))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.0f}"  # Packer rounds numbers
    if not isinstance(value, str):
        raise FunctionError(f"the secret `{name}` has no text `{key}`", 1, hint=f"there is {listed}")
    return value


def _library(name: str, extra: str) -> Any:
    import importlib

    try:
        with needs(extra, name):
            return importlib.import_module(name)
    except HostError as error:
        raise FunctionError(error.message, hint=error.hint) from None
