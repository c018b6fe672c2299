"""Chains of post-processors, as in Packer's templates."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.docker import post_processors
from vmforge.errors import VmforgeError
from vmforge.sdk import Artifact, FileArtifact, PostProcessor, Processed
from vmforge.sdk.testing import configure

IMPORT, TAG = "packer.post-processor.docker-import", "packer.post-processor.docker-tag"


@pytest.fixture
def process(client: Any) -> Any:
    def run(name: str, artifact: Artifact, **options: Any) -> Processed:
        component = getattr(post_processors, f"Docker{name}PostProcessor")
        made = configure(component, options)
        assert isinstance(made, PostProcessor)
        return made.process(client.make(lambda machine: None), artifact)

    return run


def test_tag_and_push(client: Any, process: Any, registry: Any) -> None:
    built = client.image(lambda machine: machine.communicator.run("echo pushed >/file") and None)
    name = f"{registry.name}/team/app"
    tagged = process("Tag", built, repository=name, tags=["1", "2"], force=True)
    assert tagged.keep_input and tagged.must_keep
    assert (tagged.artifact.builder_id, tagged.artifact.id) == (TAG, f"{name}:2")
    assert tagged.artifact.state["docker_tags"] == [f"{name}:1", f"{name}:2"]
    assert str(tagged.artifact) == f"Imported Docker image: {name}:2 with tags {name}:1 {name}:2"
    pushed = process("Push", tagged.artifact)
    assert pushed.keep_input and not pushed.must_keep
    assert (pushed.artifact.builder_id, pushed.artifact.id) == (IMPORT, f"{name}:2")
    assert registry.has("team/app", "1") and registry.has("team/app", "2")
    assert str(pushed.artifact.state["Digest"]).startswith("sha256:")
    client.podman("rmi", "-f", f"{name}:1", f"{name}:2")
    assert client.podman("run", "--rm", f"{name}:1", "cat", "/file") == "pushed"
    client.podman("rmi", "-f", f"{name}:1")


def test_push_with_a_login(client: Any, process: Any, locked_registry: Any) -> None:
    name = f"{locked_registry.name}/app"
    tagged = process("Tag", client.image(), repository=name, tags=["1"]).artifact
    with pytest.raises(VmforgeError, match=f"cannot push `{name}:1`: .*(unauthorized|authentication)"):
        process("Push", tagged)
    login = {"login": True, "login_username": "me", "login_server": locked_registry.name}
    process("Push", tagged, login_password="sesame", **login)
    assert locked_registry.has("app", "1")
    client.podman("rmi", "-f", f"{name}:1")


def test_push_to_nowhere(client: Any, process: Any, registry_port: int) -> None:
    name = f"127.0.0.1:{registry_port}/app:1"
    tagged = process("Tag", client.image(), repository=name).artifact
    with pytest.raises(VmforgeError, match=r"cannot push .*connection refused"):
        process("Push", tagged, platform="linux/amd64")
    client.podman("rmi", "-f", name)


def test_import_what_was_exported(client: Any, process: Any, tmp_path: Path) -> None:
    built = client.build(
        lambda m: m.communicator.run("echo imported >/file") and None, export_path=str(tmp_path / "x.tar")
    )
    changes = ['CMD ["cat", "/file"]', "ENV A b c", "EXPOSE 80 81"]
    done = process(
        "Import", built, repository="localhost/made", tag="3", changes=changes, platform="linux/amd64"
    )
    assert not done.keep_input
    assert (done.artifact.builder_id, done.artifact.id) == (IMPORT, "localhost/made:3")
    assert client.podman("run", "--rm", "localhost/made:3") == "imported"
    assert "A=b c" in json.loads(client.podman.config("localhost/made:3", "Env"))
    tagged = process("Tag", done.artifact, repository="localhost/other").artifact
    assert tagged.id == "localhost/other"
    for artifact in (tagged, done.artifact):
        artifact.destroy()
    assert "localhost/made" not in client.podman("images")


def test_save(client: Any, process: Any, tmp_path: Path) -> None:
    tagged = process("Tag", client.image(), repository="localhost/saved", tags=["1", "2"]).artifact
    target = tmp_path / "deep/saved.tar"
    done = process("Save", tagged, path=str(target))
    assert done.artifact is tagged and done.keep_input
    with tarfile.open(target) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        (entry,) = json.load(manifest)
    assert sorted(entry["RepoTags"]) == ["localhost/saved:1", "localhost/saved:2"]
    client.podman("rmi", "-f", "localhost/saved:1", "localhost/saved:2")


def test_a_file_that_is_no_container(client: Any, process: Any, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("no tar file")
    artifact = FileArtifact("packer.docker", "Container", (tmp_path / "x.tar",), "")
    engine = {"docker_host": client.podman.url}
    with pytest.raises(VmforgeError, match="cannot import"):
        process("Import", artifact, repository="localhost/made", **engine)
    with pytest.raises(VmforgeError, match=r"cannot (read|import) .*none.tar"):
        gone = FileArtifact("packer.docker", "Container", (tmp_path / "none.tar",), "")
        process("Import", gone, repository="localhost/made", **engine)


@pytest.mark.parametrize("name", ["Tag", "Push", "Save", "Import"])
def test_artifacts_of_others(process: Any, name: str) -> None:
    options = {"Tag": {"repository": "x"}, "Import": {"repository": "x"}, "Save": {"path": "x"}}
    artifact = FileArtifact("transcend.qemu", "VM", (), "")
    with pytest.raises(VmforgeError, match=r"what `transcend.qemu` made"):
        process(name, artifact, **options.get(name, {}))


def test_an_image_without_a_name_is_not_pushed(client: Any, process: Any) -> None:
    with pytest.raises(VmforgeError, match="no name to be pushed by") as caught:
        process("Push", client.image())
    assert "docker-tag" in caught.value.hint
