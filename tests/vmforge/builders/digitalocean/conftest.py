"""A fake of DigitalOcean, and templates that build in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.cloud_builds import command, serving
from tests.fakes.cloud_guests import NoSshd
from tests.fakes.digital_ocean import TOKEN, FakeDigitalOcean
from tests.integration.conftest import Vmforge
from tests.vmforge.builders.digitalocean.harness import Harness


@pytest.fixture
def cloud() -> Iterator[FakeDigitalOcean]:
    fake = FakeDigitalOcean()
    with serving(fake.http):
        yield fake
    fake.close()


@pytest.fixture
def harness(cloud: FakeDigitalOcean, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    monkeypatch.setattr("vmforge.sdk.cloud.waiting._FIRST_PAUSE", 0.01)
    cloud.guest = NoSshd()  # type: ignore[assignment]
    cloud.polls = 1
    return Harness(cloud, tmp_path)


@pytest.fixture
def vmforge(cloud: FakeDigitalOcean, tmp_path: Path) -> Vmforge:
    """The command; the token and the API's place come from its environment."""
    own = {"DIGITALOCEAN_TOKEN": TOKEN, "DIGITALOCEAN_API_URL": cloud.url}
    return command(tmp_path, without=("DIGITALOCEAN_",), **own)


Writer = Callable[..., None]


@pytest.fixture
def template(cloud: FakeDigitalOcean, tmp_path: Path) -> Writer:
    """Writes `base.pkr.hcl`: a source with these lines, and a build with these blocks."""

    def write(source: str = "", build: str = "") -> None:
        (tmp_path / "base.pkr.hcl").write_text(
            f"""
source "digitalocean" "base" {{
  region        = "nyc3"
  size          = "s-1vcpu-1gb"
  image         = "debian-12-x64"
  snapshot_name = "web 1"
  ssh_username  = "root"
  ssh_port      = {cloud.guest.port}
  {source}
}}
build {{
  sources = ["source.digitalocean.base"]
  {build}
}}
"""
        )

    return write
