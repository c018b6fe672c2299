"""The classic templates of examples/, unmodified, as far as counterparts of their platforms allow.

Guests are sshd in a folder with busybox, whose package managers only note what they are told.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.fakes.aws import FakeAws
from tests.fakes.cloud_builds import serving
from tests.fakes.digital_ocean import TOKEN, FakeDigitalOcean
from tests.fakes.google_cloud import PROJECT, FakeGoogle
from tests.fakes.google_cloud import TOKEN as GOOGLE_TOKEN
from tests.fakes.guest_system import system, write_base
from tests.fakes.openssh import USER, OpenSsh, free_port, sessions_in
from tests.integration import debian
from tests.integration.conftest import ROOT, Finished, Vmforge
from tests.vmforge.builders.amazon.conftest import aws
from tests.vmforge.builders.docker.conftest import Podman, podman, registry_port
from tests.vmforge.builders.hypervisors.conftest import MachineRoom, room

__all__ = ["aws", "podman", "registry_port", "room"]  # fixtures

EXAMPLES = ROOT / "examples"
PROGRAMS = ("apt-get", "cloud-init", "nginx", "systemctl", "redis-server")


@pytest.fixture
def guest_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if os.getuid():
        pytest.skip("sshd keeps sessions in a folder for root alone")
    with system(PROGRAMS) as folder:
        for name in ("var/www/html", "etc/redis"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/redis/redis.conf").write_text("bind 0.0.0.0\n")
        monkeypatch.setattr(OpenSsh, "system", folder)
        yield folder


def called(guest: Path) -> list[str]:
    return (guest / "called").read_text().splitlines()


def build(vmforge: Vmforge, template: Path, sets: Sequence[str], *flags: str, **environment: str) -> Finished:
    settings = [word for one in sets for word in ("--set", one)]
    command = ["build", *flags, *settings, str(template)]
    return vmforge.start(*command, environment=environment).finish()


def login(source: str, port: int) -> list[str]:
    return [f"{source}.ssh_port={port}", f"{source}.ssh_username={USER}"]


def ubuntu(aws: FakeAws) -> None:
    name = "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240101"
    aws.make_image(name, 2024, owner_id="099720109477")
    aws.begin()


def test_nginx_for_amazon_and_vmware(
    vmforge: Vmforge, aws: FakeAws, room: MachineRoom, guest_files: Path
) -> None:
    ubuntu(aws)
    room.install("vmrun", "vmware-vdiskmanager")
    port = free_port()
    (room.folder / "guest_port").write_text(str(port))
    config = room.folder / "sshd_config"
    lines = config.read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("SetEnv", "Subsystem"))]
    sessions = (*sessions_in(guest_files, guest_files), "Subsystem sftp internal-sftp")
    config.write_text("\n".join((*kept, *sessions, "")))
    sets = [
        *login("amazon-ebs", aws.guests.port),
        f"vmware-iso.ssh_username={USER}",
        f"vmware-iso.ssh_port={port}",
        f"vmware-iso.ssh_private_key_file={room.folder}/user-key",
        "vmware-iso.shutdown_command=touch /off",
        "vmware-iso.boot_wait=10ms",
        "vmware-iso.boot_key_interval=1ms",
        "vmware-iso.http_bind_address=127.0.0.1",
        "vmware-iso.http_interface=lo",
    ]
    variables = ["-var", f"iso_url={room.work}/installer.iso", "-var", "iso_checksum=none"]
    machine = {"PATH": room.environment["PATH"], "MACHINE_ROOM": str(room.folder)}
    machine |= {"MACHINE_OFF": str(guest_files / "off"), "PYTHONPATH": room.environment["PYTHONPATH"]}
    environment = {**machine, **aws.environment, "AWS_REGION": "eu-west-1"}
    template = EXAMPLES / "nginx-json" / "nginx.json"
    variables += ["-var", "aws_region=us-east-1"]  # where the fake has its images
    built = build(vmforge, template, sets, *variables, **environment)
    assert built.status == 0, built.out + built.err
    assert sorted(called(guest_files)) == sorted(
        2
        * [
            "apt-get install -q -y nginx",
            "apt-get update -q",
            "cloud-init status --wait",
            "nginx -t",
            "systemctl enable nginx",
        ]
    )
    [image] = aws.images()
    assert image.startswith("nginx-")
    assert aws.left(images=[image]) == []
    assert list((vmforge.folder / "output-vmware-iso").glob("*.vmx"))


def test_an_ami_of_the_users_size_that_is_not_compressed(
    vmforge: Vmforge, aws: FakeAws, guest_files: Path
) -> None:
    template = EXAMPLES / "compressed-ami" / "ami.json"
    flags = ["-var", f"source_ami={aws.base}", "-var", "volume_size=20"]
    built = build(vmforge, template, login("amazon-ebs", aws.guests.port), *flags, **aws.environment)
    assert built.status == 0, built.out + built.err
    [image] = aws.images()
    assert image.startswith("base-")
    assert "nothing is compressed: the artifact has no files here" in built.out + built.err
    [asked] = aws.calls("RunInstances")
    assert "20" in asked.values() and "t3.small" in asked.values()
    assert aws.environment["AWS_SECRET_ACCESS_KEY"] not in built.out + built.err
    assert aws.left(images=[image]) == []


def test_redis_for_digitalocean_and_amazon(vmforge: Vmforge, aws: FakeAws, guest_files: Path) -> None:
    ubuntu(aws)
    ocean = FakeDigitalOcean()
    ocean.add_image("ubuntu-22-04-x64", slug="ubuntu-22-04-x64", public=True, regions=["nyc3"])
    sets = [*login("amazon-ebs", aws.guests.port), f"digitalocean.ssh_port={ocean.guest.port}"]
    flags = ["-var", "do_region=nyc3", "-var", "aws_region=us-east-1"]
    environment = {**aws.environment, "DIGITALOCEAN_TOKEN": TOKEN, "DIGITALOCEAN_API_URL": ocean.url}
    with serving(ocean.http):
        template = EXAMPLES / "redis-json" / "redis.json"
        built = build(vmforge, template, sets, *flags, **environment)
        assert built.status == 0, built.out + built.err
        assert called(guest_files).count("apt-get install -q -y redis-server") == 2
        assert (guest_files / "etc/redis/redis.conf").read_text() == "bind 127.0.0.1 -::1\n"
        [snapshot] = ocean.snapshots
        assert str(snapshot["name"]).startswith("redis-")
        [image] = aws.images()
        assert (ocean.left, aws.left(images=[image])) == ([], [])
        assert TOKEN not in built.out + built.err
    ocean.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_playbook_for_three_clouds(
    vmforge: Vmforge, aws: FakeAws, podman: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.make_image("debian-12-amd64-20240101-1", 2024, owner_id="136693071363")
    aws.begin()
    archive = tmp_path / "python.tar"
    write_base(archive, python=True)
    podman("import", "--change", 'CMD ["/bin/sh"]', str(archive), "localhost/python:3")
    google = FakeGoogle()
    with system(python=True) as guest, serving(google.http):
        monkeypatch.setattr(OpenSsh, "system", guest)
        endpoints = json.dumps(dict.fromkeys(("compute", "oslogin", "oauth2", "iamcredentials"), google.url))
        sets = [
            *login("amazon-ebs.web", aws.guests.port),
            *login("googlecompute.web", google.guest.port),
            f"googlecompute.web.access_token={GOOGLE_TOKEN}",
            f"googlecompute.web.custom_endpoints={endpoints}",
            'docker.web.run_command=["-d", "-i", "-t", "--network=host", "--", "{{ .Image }}"]',
            "docker.web.pull=false",
        ]
        flags = ["-var", f"project={PROJECT}", "-var", "aws_region=us-east-1"]
        flags += ["-var", "container=localhost/python:3"]
        tools = f"{debian.ansible().parent}:{os.environ['PATH']}"
        environment = {**aws.environment, "DOCKER_HOST": podman.url, "NO_GCE_CHECK": "true", "PATH": tools}
        built = build(vmforge, EXAMPLES / "three-clouds", sets, *flags, **environment)
        assert built.status == 0, built.out + built.err
        assert (guest / "srv/web/index.html").read_text() in (
            "made for amazon-ebs\n",
            "made for googlecompute\n",
        )
        manifest = json.loads((vmforge.folder / "manifest.json").read_text())
        types = sorted(entry["builder_type"] for entry in manifest["builds"])
        assert types == ["amazon-ebs", "docker", "googlecompute"]
        assert google.left == []
        page = podman("run", "--rm", "--network=host", _tagged(podman), "cat", "/srv/web/index.html")
        assert page == "made for docker"
    [image] = aws.images()
    assert aws.left(images=[image]) == []
    google.close()


def _tagged(podman: Podman) -> str:
    """The image that the template tagged."""
    [tag] = podman("images", "--format", "{{.Tag}}", "localhost/web").split()
    return f"localhost/web:{tag}"
