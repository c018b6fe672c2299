"""A fake of Google Cloud, and templates that build in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.cloud_builds import command, serving
from tests.fakes.cloud_guests import NoSshd
from tests.fakes.google_cloud import PROJECT, TOKEN, ZONE, FakeGoogle
from tests.integration.conftest import Vmforge
from tests.vmforge.builders.googlecompute.harness import Harness


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    fake = FakeGoogle()
    with serving(fake.http):
        yield fake
    fake.close()


@pytest.fixture
def vmforge(tmp_path: Path) -> Vmforge:
    return command(tmp_path, without=("GOOGLE_", "CLOUDSDK_"), NO_GCE_CHECK="true")


Writer = Callable[..., None]


@pytest.fixture
def template(google: FakeGoogle, tmp_path: Path) -> Writer:
    """Writes `base.pkr.hcl`: a source with these lines, and a build with these blocks."""

    def write(source: str = "", build: str = "", login: str = f'access_token = "{TOKEN}"') -> None:
        (tmp_path / "base.pkr.hcl").write_text(
            f"""
source "googlecompute" "base" {{
  project_id          = "{PROJECT}"
  zone                = "{ZONE}"
  source_image_family = "debian-12"
  image_name          = "web-1"
  ssh_username        = "root"
  ssh_port            = {google.guest.port}
  custom_endpoints    = {{
    compute = "{google.url}", oslogin = "{google.url}", oauth2 = "{google.url}"
    iamcredentials = "{google.url}"
  }}
  {login}
  {source}
}}
build {{
  sources = ["source.googlecompute.base"]
  {build}
}}
"""
        )

    return write


@pytest.fixture
def harness(google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    monkeypatch.setattr("vmforge.sdk.cloud.waiting._FIRST_PAUSE", 0.01)
    google.guest = NoSshd()  # type: ignore[assignment]
    google.polls = 1
    return Harness(google, tmp_path)
