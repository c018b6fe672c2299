"""The data sources of AWS, in templates."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.aws import FakeAws
from tests.vmforge.builders.amazon.conftest import Forge
from vmforge.builders.amazon.data_sources import AmazonAmiDataSource, AmazonSecretsManagerDataSource
from vmforge.errors import VmforgeError
from vmforge.sdk.testing import configure

SECRET = '{"user": "me", "password": "gfh4-8dk2"}'


def shown(forge: Forge, declaration: str, value: str) -> str:
    """What a template makes of a value, written to a file; and what the build said, in front of it."""
    forge.write(
        f"""
{declaration}
source "file" "x" {{
  target  = "x"
  content = {value}
}}
build {{
  sources = ["file.x"]
  post-processor "shell-local" {{ inline = ["echo said: $(cat x)"] }}
}}
"""
    )
    finished = forge.run("build", "-force", "main.pkr.hcl")
    assert finished.status == 0, finished.text
    return f"{finished.text}\n{(forge.folder / 'x').read_text()}"


def test_an_image_is_found(forge: Forge, aws: FakeAws) -> None:
    old, new = aws.make_image("linux-1", 2022), aws.make_image("linux-2", 2023)
    aws.client().create_tags(Resources=[new], Tags=[{"Key": "team", "Value": "images"}])
    declaration = """
data "amazon-ami" "base" {
  filters            = { name = "linux-*" }
  owners             = ["self"]
  most_recent        = true
  include_deprecated = true
  region             = "us-east-1"
}
"""
    value = (
        '"${data.amazon-ami.base.id} ${data.amazon-ami.base.tags.team} ${data.amazon-ami.base.creation_date}"'
    )
    text = shown(forge, declaration, value)
    assert f"{new} images 2023-01-01T00:00:00" in text
    assert old not in text
    devices = shown(forge, declaration, "data.amazon-ami.base.block_device_mappings[0].device_name")
    assert devices.endswith("/dev/sda1")


def test_a_secret_is_read_and_hidden(forge: Forge, aws: FakeAws) -> None:
    aws.client("secretsmanager").create_secret(
        Name="db", SecretString='{"user": "me", "password": "gfh4-8dk2"}'
    )
    declaration = """
data "amazon-secretsmanager" "db" {
  name          = "db"
  key           = "password"
  version_stage = "AWSCURRENT"
}
"""
    text = shown(forge, declaration, "data.amazon-secretsmanager.db.value")
    said, _, written = text.rpartition("\n")
    assert written == "gfh4-8dk2"
    assert "gfh4-8dk2" not in said
    assert "said: <sensitive>" in said


def test_a_parameter_is_read(forge: Forge, aws: FakeAws) -> None:
    ssm = aws.client("ssm")
    ssm.put_parameter(Name="/images/size", Value="40", Type="String")
    ssm.put_parameter(Name="/images/key", Value="kd93-fk2l", Type="SecureString")
    declaration = """
data "amazon-parameterstore" "size" { name = "/images/size" }
data "amazon-parameterstore" "key" {
  name            = "/images/key"
  with_decryption = true
}
"""
    value = '"${data.amazon-parameterstore.size.value} ${data.amazon-parameterstore.size.version} %s"'
    text = shown(forge, declaration, value % "${data.amazon-parameterstore.key.value}")
    said, _, written = text.rpartition("\n")
    assert written == "40 1 kd93-fk2l"
    assert "kd93-fk2l" not in said


def test_what_is_missing_is_named(forge: Forge, aws: FakeAws) -> None:
    aws.client("secretsmanager").create_secret(Name="db", SecretString='{"user": "me"}')
    missing = configure(AmazonSecretsManagerDataSource, {"name": "db", "key": "password", "version_id": ""})
    with pytest.raises(VmforgeError, match="has no `password`") as raised:
        missing.read()  # type: ignore[attr-defined]
    assert raised.value.hint == "there is `user`"
    nothing = configure(AmazonAmiDataSource, {"filters": {"name": "x-*"}, "owners": ["self"]})
    with pytest.raises(VmforgeError, match="there is no source image: name `x-\\*`, of `self`"):
        nothing.read()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "summary"),
    [({"owners": ["self"]}, "nothing says"), ({"filters": {"a": "b"}}, "`owners` is missing")],
)
def test_what_cannot_work_is_told(options: dict[str, Any], summary: str) -> None:
    with pytest.raises(ValueError, match=summary):
        configure(AmazonAmiDataSource, options)


def test_offline_nothing_is_asked(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    forge.write(
        'data "amazon-ami" "a" {\n filters = { name = "x" }\n owners = ["self"]\n}\n'
        + forge.template('ami_name = "web"')
    )
    finished = forge.run("build", "--offline", "main.pkr.hcl")
    assert finished.status == 1
    assert "the API of AWS" in finished.text
