"""Whole builds in Azure, as users run them, against the fake; whatever goes wrong, nothing is left."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.fakes.openssh import USER, free_port
from tests.integration.conftest import Vmforge
from tests.vmforge.builders.azure.conftest import (
    CLIENT,
    ROOT,
    SECRET,
    SUBSCRIPTION,
    TENANT,
    FakeAzure,
    Fault,
)


@pytest.fixture
def vmforge(tmp_path: Path, azure: FakeAzure) -> Iterator[Vmforge]:
    """The command, and a template that builds in the fake."""
    azure.port = free_port()
    folder = tmp_path / "work"
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARM_")}
    kept |= {"VMFORGE_STATE_DIR": str(tmp_path / "state"), "VMFORGE_CACHE_DIR": str(tmp_path / "cache")}
    kept |= {"ARM_CLIENT_SECRET": SECRET}
    write(folder, azure)
    yield Vmforge(folder, kept)


def write(folder: Path, azure: FakeAzure, script: str = "uname -s", **changes: Any) -> None:
    """The template, its options changed; one that is None is left out."""
    options = {
        "metadata_host": azure.url,
        "subscription_id": SUBSCRIPTION,
        "tenant_id": TENANT,
        "client_id": CLIENT,
        "image_publisher": "Debian",
        "image_offer": "debian-12",
        "image_sku": "12-gen2",
        "os_type": "Linux",
        "location": "westeurope",
        "vm_size": "Standard_B1s",
        "managed_image_name": "web",
        "managed_image_resource_group_name": "images",
        "azure_tags": {"team": "web"},
        "ssh_username": USER,
        "ssh_port": azure.port,
        "ssh_timeout": "30s",
        "temporary_key_pair_bits": 2048,
    } | changes
    source = {name: value for name, value in options.items() if value is not None}
    provisioner = {"shell": {"inline": [script]}}
    build = {"sources": ["azure-arm.web"], "provisioner": [provisioner]}
    template = {"source": {"azure-arm": {"web": source}}, "build": [build]}
    (folder / "web.pkr.json").write_text(json.dumps(template, indent=1))


def left(azure: FakeAzure) -> list[str]:
    """What was not there before, by what follows the subscription's groups in its id."""
    new = set(azure.resources) - azure.before
    return sorted(path.removeprefix(f"{ROOT}/resourcegroups/") for path in new)


def test_a_managed_image(vmforge: Vmforge, azure: FakeAzure) -> None:
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert ": Linux\n" in built.out
    image = f"{ROOT}/resourceGroups/images/providers/Microsoft.Compute/images/web"
    assert f"ManagedImageId: {image}" in built.out
    assert azure.resources[image.lower()]["tags"] == {"team": "web"}
    assert azure.resources[image.lower()]["properties"]["hyperVGeneration"] == "V2"
    assert left(azure) == ["images/providers/microsoft.compute/images/web"]
    assert SECRET not in built.out + built.err
    assert built.out.index("Waiting for SSH") < built.out.index("Creating the managed image `web`")


def test_a_version_in_a_gallery_with_a_snapshot(vmforge: Vmforge, azure: FakeAzure) -> None:
    gallery = {"resource_group": "images", "gallery_name": "main", "image_name": "web"}
    gallery |= {"image_version": "1.2.3", "replication_regions": ["northeurope"]}
    options = {"managed_image_os_disk_snapshot_name": "web-os", "shared_image_gallery_destination": gallery}
    write(vmforge.folder, azure, **options)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert left(azure) == [
        "images/providers/microsoft.compute/galleries/main/images/web/versions/1.2.3",
        "images/providers/microsoft.compute/images/web",
        "images/providers/microsoft.compute/snapshots/web-os",
    ]
    version = next(one for path, one in azure.resources.items() if path.endswith("/versions/1.2.3"))
    regions = [region["name"] for region in version["properties"]["publishingProfile"]["targetRegions"]]
    assert regions == ["northeurope", "westeurope"]
    assert "vmforge-run" not in json.dumps(azure.resources)
    again = vmforge.run("build", "web.pkr.json")
    assert again.status == 1 and "the managed image `web` exists" in again.err
    assert vmforge.run("build", "-force", "web.pkr.json").status == 0


def test_a_machine_in_groups_and_networks_of_the_users(vmforge: Vmforge, azure: FakeAzure) -> None:
    azure.add("/resourceGroups/builds")
    azure.add(
        "/resourceGroups/builds/providers/Microsoft.Network/virtualNetworks/corp", subnets=[{"name": "one"}]
    )
    azure.before = set(azure.resources)
    write(
        vmforge.folder,
        azure,
        location=None,
        build_resource_group_name="builds",
        virtual_network_name="corp",
        custom_script="echo hello",
        skip_create_image=True,
    )
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert left(azure) == []
    assert not any("publicIPAddresses" in call for call in azure.calls)
    assert any(call.endswith("/extensions/vmforge") for call in azure.calls)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("PUT", "/virtualMachines/", 0, "SkuNotAvailable", "none left", running=True), "`vm_size`"),
        (Fault("PUT", "/publicIPAddresses/", 409, "PublicIPCountLimitReached", "too many"), "too many"),
        (Fault("PUT", "/virtualMachines/", 400, "Torn", "no answer came", after=True), "no answer came"),
        (Fault("POST", "/generalize", 409, "OperationNotAllowed", "not now"), "not now"),
        (Fault("PUT", "/Microsoft.Compute/images/", 0, "Conflict", "torn", running=True), "torn"),
    ],
    ids=["capacity", "quota", "lost-answer", "refused", "half-an-image"],
)
def test_nothing_is_left_of_a_build_that_fails(
    vmforge: Vmforge, azure: FakeAzure, fault: Fault, message: str
) -> None:
    azure.faults.append(fault)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1
    assert message in built.out + built.err
    assert left(azure) == []


@pytest.mark.parametrize("status", [429, 500, 503, 0])
def test_faults_that_pass(vmforge: Vmforge, azure: FakeAzure, status: int) -> None:
    for method, path in (("GET", "/images$"), ("PUT", "/networkInterfaces/"), ("POST", "/deallocate")):
        azure.faults.append(Fault(method, path, status))
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 0, built.out + built.err
    assert all(fault.times == 0 for fault in azure.faults)


def test_a_wrong_secret(vmforge: Vmforge, azure: FakeAzure) -> None:
    built = vmforge.start("build", "web.pkr.json", environment={"ARM_CLIENT_SECRET": "wrong-one-17"}).finish()
    assert built.status == 1
    assert "cannot log in to Azure" in built.err
    assert "wrong-one-17" not in built.out + built.err


def test_ctrl_c(vmforge: Vmforge, azure: FakeAzure) -> None:
    write(vmforge.folder, azure, "echo up; sleep 600")
    running = vmforge.start("build", "web.pkr.json")
    running.wait_for(": up$")
    running.interrupt()
    assert running.finish().status == 130
    assert left(azure) == []


@pytest.mark.parametrize("how", ["build", "cleanup"])
def test_what_a_killed_build_left_is_deleted(vmforge: Vmforge, azure: FakeAzure, how: str) -> None:
    write(vmforge.folder, azure, "echo up; sleep 600")
    running = vmforge.start("build", "web.pkr.json")
    running.wait_for(": up$")
    running.kill()
    running.finish()
    assert any("/virtualmachines/" in path for path in left(azure))
    write(vmforge.folder, azure)
    if how == "build":
        built = vmforge.run("build", "web.pkr.json")
        assert built.status == 0, built.out + built.err
        assert "deleting what a killed build left: resource group" in built.out
    else:
        listed = vmforge.run("cleanup", "--cloud")
        assert "`azure-arm.web` in Azure's subscription" in listed.out
        listed = vmforge.run("cleanup", "--cloud", "web.pkr.json")
        assert (listed.status, "which was killed" in listed.out) == (0, True), listed.err
        assert "1 can be deleted: give `--yes`" in listed.err
        assert (
            json.loads(vmforge.run("cleanup", "--cloud", "--json", "web.pkr.json").out)[0]["owner"]
            == "killed"
        )
        cleaned = vmforge.run("cleanup", "--cloud", "--yes", "web.pkr.json")
        assert cleaned.status == 0, cleaned.err
        assert "deleted the resource group" in cleaned.out
        assert "no build of this machine" in vmforge.run("cleanup", "--cloud").out
    assert not any(path.startswith("pkr") for path in left(azure))


def test_a_windows_machine_gets_a_certificate_and_a_password(vmforge: Vmforge, azure: FakeAzure) -> None:
    """The fake has no Windows: the build ends in vain, after the machine was made as it must be."""
    login = {
        "communicator": "winrm",
        "winrm_username": "builder",
        "winrm_use_ssl": True,
        "winrm_timeout": "1s",
    }
    without = {"ssh_username": None, "ssh_port": None, "ssh_timeout": None, "temporary_key_pair_bits": None}
    write(vmforge.folder, azure, os_type="Windows", **login, **without)
    built = vmforge.run("build", "web.pkr.json")
    assert built.status == 1 and "WinRM" in built.err
    [machine] = [body for call, body in azure.bodies.items() if re.match("PUT .*/virtualMachines/", call)]
    system = machine["properties"]["osProfile"]
    [listener] = system["windowsConfiguration"]["winRM"]["listeners"]
    [stored] = azure.secrets.values()
    secret = json.loads(base64.b64decode(stored))
    key, certificate, _ = pkcs12.load_key_and_certificates(
        base64.b64decode(secret["data"]), secret["password"].encode()
    )
    assert key is not None and certificate is not None
    assert listener["certificateUrl"].startswith("https://vault.example/secrets/packerKeyVaultSecret".lower())
    assert len(system["adminPassword"]) > 30 and system["adminPassword"] not in built.out + built.err
    assert left(azure) == []
