"""The contracts of the sdk: every step of a build fails once and is cancelled once, and nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.docker.builder import DockerBuilder
from vmforge.builders.docker.connector import DockerConnector, DockerConnectorConfig
from vmforge.builders.docker.post_processors import (
    DockerImportPostProcessor,
    DockerPushPostProcessor,
    DockerSavePostProcessor,
    DockerTagPostProcessor,
)
from vmforge.sdk import Machine
from vmforge.sdk.testing import check_builder, check_communicator, check_component


@pytest.mark.parametrize("result", [{"commit": True}, {"export_path": "made.tar"}, {"discard": True}])
def test_builds(podman: Any, tmp_path: Path, result: dict[str, Any]) -> None:
    options = {"image": "localhost/base:1", "pull": False, "docker_host": podman.url} | result
    (tmp_path / "builds").mkdir()
    check_builder(
        DockerBuilder,
        options,
        tmp_path / "builds",
        connector=DockerConnector(DockerConnectorConfig()),
        left_behind=lambda: podman.containers,
    )


def test_the_communicator(client: Any, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()

    def provision(machine: Machine) -> None:
        machine.communicator.run("mkdir /srv")
        check_communicator(machine.communicator, tmp_path / "here", "/srv")

    client.build(provision)


@pytest.mark.parametrize(
    "component",
    [
        DockerImportPostProcessor,
        DockerTagPostProcessor,
        DockerPushPostProcessor,
        DockerSavePostProcessor,
        DockerConnector,
    ],
)
def test_declarations(component: Any) -> None:
    check_component(component)
