"""`openstack-import` and the login, against Keystone and Glance themselves."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Vmforge
from tests.vmforge.builders.openstack.real_cloud import PASSWORD, REGION, RealCloud, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCloud]:
    with running(tmp_path_factory.mktemp("openstack")) as cloud:
        yield cloud


@pytest.fixture
def vmforge(tmp_path: Path, real: RealCloud) -> Vmforge:
    """The command, a disk that qemu-img made, and a template that uploads it."""
    folder = tmp_path / "work"
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    kept |= {"VMFORGE_STATE_DIR": str(tmp_path / "state"), "VMFORGE_CACHE_DIR": str(tmp_path / "cache")}
    kept |= {
        "HOME": str(tmp_path),
        "OS_AUTH_URL": real.identity,
        "OS_USERNAME": "builder",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "images",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": REGION,
    }
    (folder / "contents").write_bytes(os.urandom(8 << 20))
    subprocess.run(
        ["qemu-img", "convert", "-O", "qcow2", folder / "contents", folder / "disk.qcow2"], check=True
    )
    write(folder)
    return Vmforge(folder, kept)


def write(folder: Path, **options: Any) -> None:
    chain = [{"artifice": {"files": ["disk.qcow2"]}}, {"openstack-import": {"image_name": "web"} | options}]
    source = {"null": {"web": {"communicator": "none"}}}
    build = {"sources": ["null.web"], "post-processors": [{"post-processor": chain}]}
    (folder / "web.pkr.json").write_text(json.dumps({"source": source, "build": [build]}))


def images(vmforge: Vmforge) -> list[dict[str, Any]]:
    """What is in Glance, as openstacksdk tells of it."""
    program = (
        "import json, openstack; cloud = openstack.connect();"
        "print(json.dumps([image.to_dict() for image in cloud.image.images()], default=str))"
    )
    return list(json.loads(_python(vmforge, program)))


def _python(vmforge: Vmforge, program: str) -> str:
    import sys

    done = subprocess.run(
        [sys.executable, "-c", program], env=vmforge.environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_disk_becomes_an_image(vmforge: Vmforge, real: RealCloud) -> None:
    write(
        vmforge.folder,
        image_tags=["nightly"],
        metadata={"os_distro": "debian"},
        image_visibility="community",
        image_min_disk=1,
        image_min_ram=256,
        image_protected=True,
        keep_input_artifact=True,
    )
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    (image,) = images(vmforge)
    assert image["id"] in built.out and "with the same sha512" in built.out
    told = {key: image[key] for key in ("name", "status", "disk_format", "visibility", "min_disk", "min_ram")}
    assert told == {
        "name": "web",
        "status": "active",
        "disk_format": "qcow2",
        "visibility": "community",
        "min_disk": 1,
        "min_ram": 256,
    }
    assert image["is_protected"] and image["tags"] == ["nightly"] and image["os_distro"] == "debian"
    assert "vmforge-run" not in json.dumps(image)
    disk = (vmforge.folder / "disk.qcow2").read_bytes()
    assert (real.data / image["id"]).read_bytes() == disk
    assert PASSWORD not in built.out + built.err
    program = (
        f"import openstack; glance = openstack.connect().image; image = glance.get_image('{image['id']}')\n"
        "glance.update_image(image, is_protected=False); glance.delete_image(image)"
    )
    _python(vmforge, program)
    assert images(vmforge) == []


def test_a_wrong_password(vmforge: Vmforge) -> None:
    built = vmforge.run("build", "web.pkr.json", environment={"OS_PASSWORD": "wrong-one-17"})
    assert built.status == 1
    assert "cannot log in to OpenStack: The request you have made requires authentication" in built.err
    assert "wrong-one-17" not in built.out + built.err


def test_a_project_that_is_not_ones_own(vmforge: Vmforge) -> None:
    built = vmforge.run("build", "web.pkr.json", environment={"OS_PROJECT_NAME": "admin"})
    assert built.status == 1 and "cannot log in to OpenStack" in built.err


def test_glance_does_not_believe_a_wrong_format(vmforge: Vmforge) -> None:
    write(vmforge.folder, image_disk_format="vmdk")
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "vmdk" in built.err, built.err
    assert images(vmforge) == []


def test_an_image_that_only_operators_may_make(vmforge: Vmforge) -> None:
    write(vmforge.folder, image_visibility="public")
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "not everyone may make an image public" in built.err
    assert images(vmforge) == []


def test_members_and_a_login_in_clouds_yaml(vmforge: Vmforge, real: RealCloud) -> None:
    settings = {
        name: vmforge.environment.pop(name) for name in list(vmforge.environment) if name[:3] == "OS_"
    }
    login = {
        "auth_url": settings["OS_AUTH_URL"],
        "username": "builder",
        "password": PASSWORD,
        "project_name": "images",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    text = json.dumps({"clouds": {"mine": {"auth": login, "region_name": REGION}}})  # JSON is YAML
    (vmforge.folder / "clouds.yaml").write_text(text)
    write(vmforge.folder, cloud="mine", image_members=["f" * 32])
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    vmforge.environment |= settings
    (image,) = images(vmforge)
    assert image["visibility"] == "shared"
    members = _python(
        vmforge,
        f"import openstack; print([m.id for m in openstack.connect().image.members('{image['id']}')])",
    )
    assert "f" * 32 in members
