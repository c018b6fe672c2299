"""What the steps of a build depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.vmforge.pipeline.layers.conftest import World, step
from vmforge.pipeline.layers.chain import Step
from vmforge.pipeline.layers.steps import install_step, provisioner_steps
from vmforge.pipeline.plan import PlannedProvisioner


@pytest.fixture
def folder(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The template's folder, which is the current one."""
    path = world.folder / "template"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def only_step(world: World, provisioner: PlannedProvisioner, *, name: str = "base") -> Step:
    layers = world.layers([provisioner], name=name)
    (found,) = provisioner_steps(layers.planned, layers.fingerprints)
    return found


def install(world: World, **wished: Any) -> Step:
    layers = world.layers([], **wished)
    inputs = {"the ISO": "tiny", "http": Path("http")}
    return install_step(layers.planned, inputs, layers.fingerprints)


def test_the_installation(world: World, folder: Path) -> None:
    (folder / "http").mkdir()
    (folder / "http/tiny.cfg").touch()
    assert set(install(world).inputs) == {"the ISO", "http", "http/tiny.cfg"}
    assert set(install(world, memory=1024, login={"user": "forge"}).inputs) >= {"memory", "user"}


def test_a_provisioner(world: World, folder: Path) -> None:
    (folder / "script").touch()
    found = only_step(world, step("a", name="setup", files=["script"]))
    assert (found.name, found.type, found.uncached) == ("provisioner 1 `write` `setup`", "write", "")
    assert set(found.inputs) == {"text", "files", "script"}


def test_a_file_named_like_an_option_hides_nothing(world: World, folder: Path) -> None:
    (folder / "text").write_text("1")
    seen = [only_step(world, step(text, files=["text"])).inputs["text"] for text in ("a", "b")]
    (folder / "text").write_text("2")
    seen.append(only_step(world, step("b", files=["text"])).inputs["text"])
    assert len(set(seen)) == 3


def test_values_of_the_run_do_not_count(world: World, folder: Path) -> None:
    def host(scope: Any) -> str:
        return str(scope.build["Host"])

    found = only_step(world, step("a", host=host))
    assert found.uncached == ""
    assert found.inputs == only_step(world, step("a", host=host)).inputs


def test_options_that_cannot_be_known_before(world: World, folder: Path) -> None:
    found = only_step(world, step("a", fails=lambda scope: scope.build["Host"]))
    assert found.uncached == "its options are not known before it runs"


@pytest.mark.parametrize(("text", "counts"), [("echo $PACKER_BUILD_NAME", True), ("echo", False)])
def test_the_name_of_the_build_counts_where_it_is_asked_for(
    world: World, folder: Path, text: str, counts: bool
) -> None:
    one, other = only_step(world, step(text), name="one"), only_step(world, step(text), name="other")
    assert (one.inputs != other.inputs) is counts


def test_the_release_of_a_plugin_counts(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vmforge.pipeline.layers import steps

    seen = []
    for release in ("1.0", "1.1"):
        monkeypatch.setattr(steps, "_version", lambda package, release=release: f"{package} {release}")
        seen.append(only_step(world, step("a")).inputs)
    assert seen[0].keys() == seen[1].keys()
    assert seen[0] != seen[1]
