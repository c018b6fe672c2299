"""Retries, time limits, `continue_on_error` and the cleanup provisioner."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vmforge.diagnostics import SourceRange
from vmforge.errors import HostError, Interrupted, VmforgeError
from vmforge.pipeline.plan import PlannedBuild, PlannedProvisioner
from vmforge.pipeline.provisioning import Provisioning
from vmforge.sdk import BuildContext, Config, Duration, Machine, Provisioner, option
from vmforge.sdk.body import Body
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.testing import FakeCommunicator, FakeConnector, FakeMachine, RecordingUi, fake_context
from vmforge.template import Evaluated, ProvisionerBlock, RuntimeScope


@dataclass(frozen=True, kw_only=True)
class ActConfig(Config):
    do: str = option("ok", help="what to do")
    host: str = option("", help="a value of the run")


class Act(Provisioner[ActConfig]):
    """Does as its option says, and remembers it."""

    config_type: ClassVar[type[Config]] = ActConfig
    done: ClassVar[list[str]] = []

    def provision(self, context: BuildContext, machine: Machine) -> None:
        Act.done.append(self.config.do + self.config.host)
        if self.config.do == "fail":
            raise HostError(f"failure {len(Act.done)}")
        if self.config.do == "fail once" and len(Act.done) == 1:
            raise HostError("failure 1")
        if self.config.do == "wait":
            context.cancellation.wait(60)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Act.done.clear()


def planned(do: str, *, block: dict[str, Any] | None = None) -> PlannedProvisioner:
    def evaluate(scope: RuntimeScope) -> Evaluated:
        host = (scope.build or {}).get("Host", "")
        return Evaluated(Body.of({"do": do, "host": host}), [])

    place = SourceRange.whole("test.pkr.hcl")
    return PlannedProvisioner(ProvisionerBlock("act", "", place, evaluate, **(block or {})), Act)


def provisioning(
    *provisioners: PlannedProvisioner, cleanup: PlannedProvisioner | None = None
) -> Provisioning:
    build = PlannedBuild(
        name="base",
        local_name="base",
        full_name="test.base",
        type="test",
        builder=None,  # type: ignore[arg-type]
        connector=FakeConnector(),
        provisioners=provisioners,
        error_cleanup=cleanup,
        chains=(),
        interpolator=interpolator(),
        secrets=frozenset(),
    )
    return Provisioning(build)


def machine(folder: Path) -> FakeMachine:
    return FakeMachine(FakeCommunicator(folder))


def test_they_run_in_order_with_the_values_of_the_run(tmp_path: Path) -> None:
    context = fake_context(tmp_path)
    context.data["Host"] = "@guest"
    provisioning(planned("one"), planned("two")).run(context, machine(tmp_path))
    assert Act.done == ["one@guest", "two@guest"]


def test_the_first_failure_is_the_one_reported(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="failure 1"):
        provisioning(planned("fail", block={"max_retries": 2})).run(fake_context(tmp_path), machine(tmp_path))
    assert len(Act.done) == 3


def test_a_retry_may_succeed(tmp_path: Path) -> None:
    ui = RecordingUi()
    retried = planned("fail once", block={"max_retries": 2})
    provisioning(retried, planned("next")).run(fake_context(tmp_path, ui=ui), machine(tmp_path))
    assert Act.done == ["fail once", "fail once", "next"]
    assert ui.texts("warn") == ["failure 1; trying again (2 left)"]


def test_continue_on_error(tmp_path: Path) -> None:
    tolerated = planned("fail", block={"continue_on_error": True})
    provisioning(tolerated, planned("next")).run(fake_context(tmp_path), machine(tmp_path))
    assert Act.done == ["fail", "next"]


def test_the_time_limit_ends_the_provisioner_and_frees_the_connection(tmp_path: Path) -> None:
    guest = machine(tmp_path)
    limited = planned("wait", block={"timeout": Duration(0.05)})
    with pytest.raises(VmforgeError, match="longer than its `timeout`"):
        provisioning(limited).run(fake_context(tmp_path), guest)
    assert isinstance(guest.communicator, FakeCommunicator)
    assert guest.communicator.reconnects == 1


def test_there_is_no_time_limit_while_debugging(tmp_path: Path) -> None:
    context = fake_context(tmp_path, debug=True)
    timer = threading.Timer(0.2, context.cancellation.cancel)
    timer.start()
    with pytest.raises(Interrupted):
        provisioning(planned("wait", block={"timeout": Duration(0.01)})).run(context, machine(tmp_path))


def test_an_interrupt_is_not_retried(tmp_path: Path) -> None:
    context = fake_context(tmp_path)
    context.cancellation.cancel()
    with pytest.raises(Interrupted):
        provisioning(planned("wait", block={"max_retries": 5})).run(context, machine(tmp_path))
    assert len(Act.done) <= 1


def test_cleanup_runs_only_on_a_machine_that_was_reached(tmp_path: Path) -> None:
    context = fake_context(tmp_path)
    never = provisioning(planned("one"), cleanup=planned("cleanup"))
    never.run_error_cleanup(context)
    assert Act.done == []
    reached = provisioning(planned("fail"), cleanup=planned("cleanup"))
    with pytest.raises(HostError):
        reached.run(context, machine(tmp_path))
    reached.run_error_cleanup(context)
    assert Act.done == ["fail", "cleanup"]
