"""Provisioners that work on the finished artifact wait for it, and end the build when they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vmforge.diagnostics import SourceRange
from vmforge.errors import VmforgeError
from vmforge.pipeline.plan import PlannedBuild, PlannedProvisioner
from vmforge.pipeline.provisioning import Provisioning
from vmforge.sdk import BuildContext, Builder, Config, FileArtifact, Machine, Provisioner, option
from vmforge.sdk.body import Body
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.testing import FakeCommunicator, FakeConnector, FakeMachine, fake_context
from vmforge.template import Evaluated, ProvisionerBlock, RuntimeScope

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class LookConfig(Config):
    at: str = option("guest", help="what to look at")


class Look(Provisioner[LookConfig]):
    config_type: ClassVar[type[Config]] = LookConfig
    seen: ClassVar[list[str]] = []

    @property
    def for_artifact(self) -> bool:
        return self.config.at == "artifact"

    def provision(self, context: BuildContext, machine: Machine) -> None:
        Look.seen.append(f"{self.config.at} on {machine.communicator.kind}")


def provisioning(*subjects: str) -> Provisioning:
    def planned(at: str) -> PlannedProvisioner:
        def evaluate(scope: RuntimeScope) -> Evaluated:
            return Evaluated(Body.of({"at": at} if at else {"oops": 1}), [])

        return PlannedProvisioner(ProvisionerBlock("look", "", SourceRange.whole("t"), evaluate), Look)

    build: dict[str, Any] = {"name": "base", "local_name": "base", "full_name": "test.base", "type": "test"}
    rest: dict[str, Any] = {"builder": None, "error_cleanup": None, "chains": (), "secrets": frozenset()}
    return Provisioning(
        PlannedBuild(
            **build,
            **rest,
            connector=FakeConnector(),
            provisioners=tuple(planned(at) for at in subjects),
            interpolator=interpolator(),
        )
    )


def test_each_has_its_own_machine(tmp_path: Path) -> None:
    Look.seen.clear()
    context, run = fake_context(tmp_path), provisioning("artifact", "guest", "artifact")
    run.run(context, FakeMachine(FakeCommunicator(tmp_path, kind="first")))
    assert Look.seen == ["guest on first"]
    assert run.tests_artifact(context)
    run.run_on_artifact(context, FakeMachine(FakeCommunicator(tmp_path, kind="second")))
    assert Look.seen[1:] == ["artifact on second"] * 2


def test_nothing_waits_where_nobody_asks_for_it(tmp_path: Path) -> None:
    assert not provisioning("guest", "").tests_artifact(fake_context(tmp_path))


def test_builders_that_cannot_boot_say_so(tmp_path: Path) -> None:
    class Plain(Builder[Config]):
        def build(self, context: BuildContext) -> None:
            return None

    artifact = FileArtifact("x", "y", (), "z")
    with pytest.raises(VmforgeError, match="cannot boot what it made") as caught:
        Plain(Config()).boot(fake_context(tmp_path), artifact, lambda machine: None)
    assert 'on = "artifact"' in caught.value.hint


def test_the_build_fails_and_its_artifact_stays(tmp_path: Path) -> None:
    """With the `file` builder, which makes an artifact that cannot be booted."""
    (tmp_path / "t.pkr.hcl").write_text(
        'source "file" "a" {\n  content = "x"\n  target = "made.txt"\n}\n'
        'build {\n  sources = ["file.a"]\n'
        '  provisioner "test" {\n    on = "artifact"\n    inline = ["true"]\n  }\n'
        '  post-processor "checksum" {}\n}\n'
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VMFORGE_STATE_DIR": str(tmp_path / "state")}
    ended = subprocess.run(
        [sys.executable, "-m", "vmforge", "build", "t.pkr.hcl"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1 and "this builder cannot boot what it made" in said
    assert "the artifact stays: " in said and (tmp_path / "made.txt").read_text() == "x"
    assert not list(tmp_path.glob("*checksum*"))
