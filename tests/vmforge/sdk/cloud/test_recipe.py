"""The recipe of a build in a cloud, against a cloud in memory whose every call can fail."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from vmforge.errors import CommunicatorError, Interrupted, VmforgeError
from vmforge.sdk import Artifact, BuildContext, Communicator, Endpoint
from vmforge.sdk.cloud import Cloud, CloudArtifact, CloudError, Leftover, Resource, RunMark
from vmforge.sdk.cloud.recipe import build
from vmforge.sdk.testing import FakeCommunicator, FakeConnector, RecordingUi, fake_context

STEPS = ["examine", "key", "boot", "running", "address", "provision", "stop", "image", "copy", "finish"]


class Account:
    """What exists, by kind; `fails` are the calls that do, `said` what was called."""

    def __init__(self, *fails: str) -> None:
        self.things: dict[str, RunMark] = {}
        self.fails = {name: CloudError(f"no {name} today") for name in fails}
        self.calls: list[str] = []

    def call(self, name: str, makes: str = "", mark: RunMark | None = None) -> str:
        self.calls.append(name)
        if makes and mark is not None:
            self.things[makes] = mark
        if name in self.fails:
            raise self.fails[name]
        return makes

    def delete(self, thing: str) -> None:
        self.calls.append(f"delete {thing}")
        if thing not in self.things:
            raise CloudError(f"no {thing}", status=404)
        del self.things[thing]


class MemoryCloud(Cloud):
    place = "the memory cloud"

    def __init__(self, account: Account, context: BuildContext, mark: RunMark) -> None:
        super().__init__(context, mark)
        self.account = account

    def _make(self, call: str, thing: str, ready: str = "", *, product: bool = False) -> Resource[str]:
        return Resource(
            f"Making the {thing}",
            thing,
            lambda: self.account.call(call, thing, self.mark),
            self._delete,
            ready=(lambda made: self.account.call(ready)) if ready else None,
            product=product,
        )

    def _delete(self, thing: str) -> None:
        self.context.cancellation.check()
        self.account.delete(thing)

    def examine(self) -> None:
        self.account.call("examine")

    def prepare(self) -> Iterator[Resource[str]]:
        yield self._make("key", "key pair")

    def launch(self) -> Resource[str]:
        return self._make("boot", "instance", "running")

    def reach(self) -> Iterator[Resource[str]]:
        yield self._make("address", "address")

    def endpoint(self) -> Endpoint:
        return Endpoint("192.0.2.7", 22)

    def console(self) -> str:
        return "booting\n" * 40 + "no network\n"

    def stop(self) -> None:
        self.account.call("stop")

    def capture(self) -> Iterator[Resource[str]]:
        yield self._make("image", "image", product=True)
        yield self._make("copy", "image in b", product=True)

    def finish(self) -> Artifact:
        self.account.call("finish")
        return CloudArtifact("test.memory", "image", "the image")

    def leftovers(self) -> Iterable[Leftover]:
        self.account.calls.append("leftovers")
        return [
            Leftover(thing, thing, mark, lambda thing=thing: self._delete(thing))
            for thing, mark in self.account.things.items()
        ]


class Refusing(FakeConnector):
    def connect(self, context: BuildContext, endpoint: object, *, time_scale: float = 1.0) -> Communicator:
        raise CommunicatorError("nobody answers")


def context_of(folder: Path, account: Account, **changes: object) -> BuildContext:
    context = fake_context(folder, communicator=FakeCommunicator(folder), **changes)
    return replace(context, provision=lambda machine: account.call("provision"))  # type: ignore[arg-type,return-value]


def run(context: BuildContext, account: Account) -> Artifact | None:
    """A build as the pipeline runs it."""
    try:
        made = build(lambda working, mark: MemoryCloud(account, working, mark), context)
    except BaseException as error:
        context.steps.release(error)
        raise
    context.steps.release()
    return made


def test_a_build(tmp_path: Path) -> None:
    account = Account()
    context = context_of(tmp_path, account)
    artifact = run(context, account)
    assert str(artifact) == "the image"
    assert [call for call in account.calls if not call.startswith("delete")] == STEPS
    assert set(account.things) == {"image", "image in b"}
    assert account.calls[-3:] == ["delete address", "delete instance", "delete key pair"]
    assert (context.data["ID"], context.data["Host"], context.data["Port"]) == ("instance", "192.0.2.7", "22")
    assert list((tmp_path / "state" / "clouds").iterdir()) == []


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_left_of_a_build_that_fails(tmp_path: Path, step: str) -> None:
    account = Account(step)
    with pytest.raises(CloudError, match=f"no {step} today"):
        run(context_of(tmp_path, account), account)
    assert account.things == {}
    assert list((tmp_path / "state" / "clouds").iterdir()) == []


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_left_of_a_build_that_is_interrupted(tmp_path: Path, step: str) -> None:
    account = Account(step)
    context = context_of(tmp_path, account)

    class Stopping(dict[str, CloudError]):
        def __contains__(self, name: object) -> bool:
            if name == step:
                context.cancellation.cancel()
            return False

    account.fails = Stopping()
    with pytest.raises(Interrupted):
        run(context, account)
        context.cancellation.check()  # told in the very last step: the build is done
    assert account.things == {} or step == "finish"


def test_a_console_explains_why_nobody_answers(tmp_path: Path) -> None:
    account = Account()
    with pytest.raises(CommunicatorError) as caught:
        run(replace(context_of(tmp_path, account), connector=Refusing()), account)
    lines = caught.value.detail.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("the end of the guest's console:", "no network", 21)
    assert account.things == {}


def killed_build(folder: Path, account: Account, *, kept: bool = False) -> BuildContext:
    """Leave what a build leaves that is killed, or kept, while its instance runs."""
    context = context_of(folder, account, run_uuid="00000000-0000-4000-8000-00000000dead")
    account.fails["provision"] = CloudError("the moment of the kill")
    with pytest.raises(CloudError):
        build(lambda working, mark: MemoryCloud(account, working, mark), context)
    if kept:
        context.steps.abandon()
    else:
        for _, resource in context.steps._held:  # the process is gone, and its lock with it
            if lock := getattr(resource, "_lock", 0):
                import os

                os.close(lock)
    del account.fails["provision"]
    return context


def test_the_next_build_deletes_what_a_killed_one_left(tmp_path: Path) -> None:
    account, ui = Account(), RecordingUi()
    killed_build(tmp_path, account)
    assert set(account.things) == {"key pair", "instance", "address"}
    (tmp_path / "again").mkdir()
    run(context_of(tmp_path, account, ui=ui), account)
    assert "deleting what a killed build left: instance `instance`" in ui.texts("message")
    assert set(account.things) == {"image", "image in b"}
    assert list((tmp_path / "state" / "clouds").iterdir()) == []


def test_what_the_user_kept_stays(tmp_path: Path) -> None:
    account = Account()
    context = killed_build(tmp_path, account, kept=True)
    assert json.loads(next((tmp_path / "state" / "clouds").iterdir()).read_text())["kept"] is True
    other = Account()
    other.things = {"kept instance": RunMark.of(context)}
    run(context_of(tmp_path, other), other)
    assert set(other.things) == {"kept instance", "image", "image in b"}


def test_what_a_running_build_has_made_stays(tmp_path: Path) -> None:
    account = Account()
    context = context_of(tmp_path, account, run_uuid="00000000-0000-4000-8000-00000000a11e")
    build(lambda working, mark: MemoryCloud(account, working, mark), context)  # not released: it goes on
    other = Account()
    other.things = {"its instance": RunMark.of(context)}
    run(context_of(tmp_path, other), other)
    assert "its instance" in other.things
    context.steps.release()


def test_a_thing_that_was_made_without_an_answer_is_swept(tmp_path: Path) -> None:
    account = Account()

    class Deaf(MemoryCloud):
        def launch(self) -> Resource[str]:
            def lost() -> str:
                account.call("boot", "instance", self.mark)
                raise CloudError("the connection broke", transient=True)

            return Resource("Launching", "instance", lost, self._delete)

    context = context_of(tmp_path, account)
    with pytest.raises(CloudError, match="the connection broke"):
        build(lambda working, mark: Deaf(account, working, mark), context)
    assert set(account.things) == {"key pair", "instance"}
    context.steps.release(VmforgeError("failed"))
    assert account.things == {}
