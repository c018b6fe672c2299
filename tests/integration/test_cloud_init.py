"""cloud-init in a real Debian, its seed on a disc and over HTTP (20 minutes without KVM): `-m slow`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.integration import debian
from tests.integration.conftest import Finished, Vmforge

pytestmark = [pytest.mark.machine, pytest.mark.slow, pytest.mark.timeout(3600)]

HERE = Path(__file__).parent
BASE, TEMPLATE = HERE / "cloud_init_base.pkr.hcl", HERE / "cloud_init.pkr.hcl"
LIMIT = 3400.0


@pytest.fixture(scope="module")
def made() -> dict[str, Path]:
    """The image with cloud-init, once it is made."""
    return {}


@pytest.fixture
def cloud(vmforge: Vmforge, made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Vmforge:
    """A folder with the template, and the image that it starts from."""
    image, mirror = debian.image(), debian.mirror()
    if "base" not in made:
        folder = tmp_path_factory.mktemp("cloud-base")
        shutil.copy(BASE, folder)
        maker = Vmforge(folder, vmforge.environment | {"PKR_VAR_image": str(image), "PKR_VAR_mirror": mirror})
        maker.use_cache(debian.lasting_layers() or vmforge.cache)
        ended = maker.start("build", BASE.name).finish(LIMIT)
        assert ended.status == 0, ended.out + ended.err
        made["base"] = folder / "base" / "base.qcow2"
    shutil.copy(TEMPLATE, vmforge.folder)
    vmforge.environment["PKR_VAR_base"] = str(made["base"])
    return vmforge


def build(cloud: Vmforge, *variables: str) -> Finished:
    given = [part for variable in variables for part in ("-var", variable)]
    return cloud.start("build", "-force", *given, TEMPLATE.name).finish(LIMIT)


@pytest.mark.parametrize("seed", ["iso", "http"])
def test_a_seed_sets_the_guest_up_and_lets_the_build_in(cloud: Vmforge, seed: str) -> None:
    ended = build(cloud, f"seed={seed}")
    assert ended.status == 0, ended.out + ended.err
    facts = {path.name: path.read_text().strip() for path in (cloud.folder / "facts").iterdir()}
    assert re.match(r"status: done\b", facts.pop("status"))
    mtu, source, debian_user = facts.pop("mtu"), facts.pop("source"), facts.pop("debian")
    assert facts == {
        "ran": "ran",
        "written": "by cloud-init, for cloud.qcow2",
        "instance": f"test-of-{seed}",
        "hostname": f"guest-of-{seed}",
        "user": "forge",
    }
    assert debian_user.split()[1] == "L"  # so the login was that of the seed
    if seed == "iso":
        assert "/dev/" in source and mtu == "1400"
    else:
        assert "http://" in source and mtu == "1500"
    assert (cloud.folder / "output-cloud" / "cloud.qcow2").is_file()


def test_what_cloud_init_could_not_do_fails_the_build(cloud: Vmforge) -> None:
    ended = build(cloud, "command=echo the reason is known; exit 3")
    assert ended.status == 1, ended.out + ended.err
    assert "cloud-init failed in the guest: ('scripts-user', RuntimeError(" in ended.err
    assert "the reason is known" in ended.out
    assert "Provisioning with shell" not in ended.out
    assert not (cloud.folder / "output-cloud").exists()
