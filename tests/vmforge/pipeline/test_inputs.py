"""What components say that they take from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.sdk.body import Body
from vmforge.sdk.decoding import decode
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.network import Network, NetworkRefused, RemoteKind
from vmforge.sdk.registry import Kind, Registry
from vmforge.sdk.testing import configure, fake_context

REGISTRY = Registry()
DIGEST = "0" * 64


def component(kind, name, **values):
    """A component's class and its options, whether or not the files that they name are there."""
    cls = REGISTRY.load(kind, name)
    decoded = decode(Body.of(values), [cls.config_type], interpolator())
    assert decoded.diagnostics == []
    return cls, decoded.get(cls.config_type)


def remote(kind, name, **values):
    cls, config = component(kind, name, **values)
    return [(one.kind, *one.places) for one in cls.remote_inputs(config)]


def local(kind, name, **values):
    cls, config = component(kind, name, **values)
    return [str(path) for path in cls.local_inputs(config)]


@pytest.mark.parametrize(
    ("kind", "name", "values", "expected"),
    [
        (
            Kind.BUILDER,
            "qemu",
            {"iso_url": "https://a/x.iso", "iso_checksum": "file:https://a/SUMS"},
            [("medium", "https://a/x.iso"), ("checksum list", "https://a/SUMS")],
        ),
        (Kind.BUILDER, "qemu", {"iso_url": "x.iso", "iso_checksum": "file:x.sums"}, []),
        (Kind.BUILDER, "qemu", {"iso_url": "http://localhost/x.iso", "iso_checksum": DIGEST}, []),
        (Kind.DATA_SOURCE, "http", {"url": "https://u:p@a/x?k=1"}, [("data source", "https://a/x")]),
        (Kind.PROVISIONER, "goss", {"tests": ["x"], "url": "https://a/goss"}, [("guest", "https://a/goss")]),
        (Kind.PROVISIONER, "goss", {"tests": ["x"], "skip_install": True}, []),
        (Kind.PROVISIONER, "chef-solo", {}, [("guest", "https://omnitruck.chef.io/install.sh")]),
        (Kind.PROVISIONER, "chef-solo", {"install_command": "apt install chef"}, []),
        (Kind.PROVISIONER, "chef-client", {"server_url": "x", "skip_install": True}, []),
        (Kind.PROVISIONER, "ansible", {"playbook_file": "x", "galaxy_file": "r.yml"}, [("program",)]),
        (Kind.PROVISIONER, "ansible", {"playbook_file": "x"}, []),
        (Kind.PROVISIONER, "windows-update", {}, [("guest",)]),
        (
            Kind.PROVISIONER,
            "salt-masterless",
            {
                "local_state_tree": "x",
                "skip_bootstrap": True,
                "formulas": ["git::https://a/f.git//f", "p//f"],
            },
            [("program", "https://a/f.git")],
        ),
        (
            Kind.POST_PROCESSOR,
            "upload",
            {"urls": ["s3://b/", "h:x"]},
            [("upload", "s3://b/"), ("upload", "rsync+ssh://h/x")],
        ),
        (
            Kind.POST_PROCESSOR,
            "vagrant-cloud",
            {"box_tag": "a/b", "version": "1", "vagrant_cloud_url": "http://127.0.0.1/"},
            [("upload", "http://127.0.0.1/")],
        ),
        (
            Kind.POST_PROCESSOR,
            "vagrant-registry",
            {"box_tag": "a/b", "version": "1"},
            [("upload", "https://api.cloud.hashicorp.com")],
        ),
        (Kind.POST_PROCESSOR, "checksum", {}, []),
    ],
)
def test_what_comes_from_a_network(kind, name, values, expected):
    assert remote(kind, name, **values) == expected


def test_what_a_virtual_machine_is_made_of_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("seed").mkdir()
    Path("seed/a.yaml").touch()
    found = local(
        Kind.BUILDER,
        "qemu",
        iso_url="file:///srv/x.iso",
        iso_checksum="file:x.sums",
        http_directory="http",
        cd_files=["seed/*.yaml", "none/*.yaml"],
        floppy_files=["a.cfg"],
        firmware="/usr/share/x.fd",
        output_directory="out",
        iso_target_path="kept.iso",
    )
    assert sorted(found) == sorted(
        ["/srv/x.iso", "x.sums", "http", "seed/a.yaml", "none/*.yaml", "a.cfg", "/usr/share/x.fd"]
    )


@pytest.mark.parametrize(
    ("kind", "name", "values", "expected"),
    [
        (Kind.PROVISIONER, "shell", {"scripts": ["a", "b"]}, ["a", "b"]),
        (Kind.PROVISIONER, "file", {"source": "a/", "destination": "b"}, ["a"]),
        (Kind.PROVISIONER, "file", {"source": "a", "destination": "b", "direction": "download"}, []),
        (Kind.PROVISIONER, "test", {"scripts": ["a"], "junit": "report.xml"}, ["a", "a"]),
        (Kind.POST_PROCESSOR, "shell-local", {"script": "a"}, ["a"]),
        (
            Kind.POST_PROCESSOR,
            "vagrant",
            {
                "providers": ["libvirt"],
                "include": ["i"],
                "vagrantfile_template": "v",
                "catalog": {"path": "c", "box_tag": "a/b", "version": "1"},
            },
            ["i", "v"],
        ),
        (
            Kind.POST_PROCESSOR,
            "export",
            {"formats": ["ova"], "signing_key": "k", "include": ["i"]},
            ["k", "i"],
        ),
        (Kind.COMMUNICATOR, "ssh", {"ssh_username": "x", "ssh_private_key_file": "k"}, ["k"]),
        (Kind.BUILDER, "file", {"source": "a", "target": "b"}, ["a"]),
    ],
)
def test_what_is_read_of_this_machine(kind, name, values, expected):
    assert local(kind, name, **values) == expected


def test_uploads_are_refused_when_they_run_too(tmp_path):
    """Whatever a destination comes to when it is rendered."""
    import dataclasses

    from vmforge.sdk import FileArtifact

    artifact = FileArtifact("x", "x", (tmp_path / "a",), "x")
    (tmp_path / "a").touch()
    context = dataclasses.replace(fake_context(tmp_path), network=Network(offline=True))
    for name, values in {
        "upload": {"urls": ["https://{{ .BuildName }}.example/"]},
        "vagrant-cloud": {"box_tag": "a/b", "version": "1", "access_token": "x"},
        "vagrant-registry": {"box_tag": "a/b", "version": "1", "client_id": "x", "client_secret": "y"},
    }.items():
        made = configure(REGISTRY.load(Kind.POST_PROCESSOR, name), values)
        with pytest.raises(NetworkRefused):
            made.process(context, artifact)


def test_kinds_that_vmforge_can_refuse():
    assert [kind for kind in RemoteKind if not kind.is_ours] == [RemoteKind.PROGRAM, RemoteKind.GUEST]
