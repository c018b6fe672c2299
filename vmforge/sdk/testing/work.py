"""Whether provisioners, post-processors and data sources keep their contracts while they work."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from vmforge.errors import CommunicatorError, VmforgeError
from vmforge.sdk.artifact import Artifact, FileArtifact
from vmforge.sdk.communicator import Output
from vmforge.sdk.data_source import DataSource
from vmforge.sdk.post_processor import PostProcessor, Processed
from vmforge.sdk.provisioner import Provisioner
from vmforge.sdk.testing.components import check_component, complain
from vmforge.sdk.testing.fakes import FakeCommunicator, FakeMachine, configure
from vmforge.sdk.testing.rehearsal import Injection, Mishap, outcome_faults, rehearse
from vmforge.sdk.testing.surroundings import Surroundings, leftovers
from vmforge.sdk.testing.watching import Watch
from vmforge.sdk.values import UNKNOWN, Value


def check_artifact(artifact: Artifact) -> None:
    """Check an artifact, and destroy it twice. Raises `ContractViolation`."""
    complain(type(artifact), artifact_faults(artifact))


def artifact_faults(artifact: Artifact, base: Path | None = None) -> Iterator[str]:
    """What is wrong with an artifact, which is destroyed; its relative paths start from `base`."""
    start = base or Path()
    answers: dict[str, tuple[object, type[object]]] = {
        "builder_id": (artifact.builder_id, str),
        "id": (artifact.id, str),
        "files": (artifact.files, tuple),
        "state": (artifact.state, Mapping),
    }
    for name, (value, wanted) in answers.items():
        if not isinstance(value, wanted):
            yield f"the artifact's `{name}` is {value!r}, no `{wanted.__name__}`"
    if not artifact.builder_id:
        yield "the artifact has no `builder_id`"
    if not str(artifact).strip() or "\n" in str(artifact):
        yield "the artifact has no one line that says what it is"
    files = [start / path for path in artifact.files]
    yield from (f"the artifact's file `{path.name}` is not there" for path in files if not path.exists())
    try:
        with contextlib.chdir(start):
            artifact.destroy()
            artifact.destroy()
    except Exception as error:
        yield f"`destroy`, called twice, raises `{type(error).__name__}: {error}`"
    yield from (f"`destroy` leaves the artifact's file `{path.name}`" for path in files if path.exists())


class _FrailCommunicator:
    """A guest that goes away at one of the calls, counted from 0; None for one that stays."""

    kind = "ssh"

    def __init__(self, guest: FakeCommunicator, dies_at: int | None) -> None:
        self._guest = guest
        self._dies_at = dies_at
        self.calls = 0

    def _call(self) -> FakeCommunicator:
        self.calls += 1
        if self._dies_at is not None and self.calls > self._dies_at:
            raise CommunicatorError("the guest of the rehearsal is gone")
        return self._guest

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        return self._call().run(command, output, timeout=timeout)

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        self._call().upload(source, destination, mode=mode)

    def upload_directory(self, source: Path, destination: str) -> None:
        self._call().upload_directory(source, destination)

    def download(self, source: str, destination: Path) -> None:
        self._call().download(source, destination)

    def download_directory(self, source: str, destination: Path) -> None:
        self._call().download_directory(source, destination)

    def reconnect(self, timeout: float) -> None:
        self._call().reconnect(timeout)

    def close(self) -> None:
        return None


def check_provisioner(
    component: type[Provisioner[Any]],
    options: Mapping[str, Value],
    folder: Path,
    *,
    respond: Callable[[str], tuple[int, str]] = lambda command: (0, ""),
    guest: Callable[[Path], object] = lambda root: None,
) -> None:
    """Provision a guest that is a folder, whose answers to commands `respond` gives; twice, as a retry does;
    and guests that go away at each call. `guest` puts into the folder what has to be there.

    Only `VmforgeError`s may leave it, and a guest that is gone must not be taken for success. Raises
    `ContractViolation`.
    """
    check_component(component)
    complain(component, _Provisioning(component, options, folder, respond, guest).faults())


@dataclass(frozen=True)
class _Provisioning:
    component: type[Provisioner[Any]]
    options: Mapping[str, Value]
    folder: Path
    respond: Callable[[str], tuple[int, str]]
    guest: Callable[[Path], object]

    def faults(self) -> Iterator[str]:
        calls, faults, _ = self._provision("twice", None, times=2)
        yield from faults
        for dies_at in range(calls // 2):
            _, faults, succeeded = self._provision(f"gone-{dies_at}", dies_at)
            yield from faults
            if succeeded and dies_at == 0:
                yield "takes a guest that never answers for provisioned"

    def _provision(self, name: str, dies_at: int | None, times: int = 1) -> tuple[int, list[str], bool]:
        """The calls to the guest, what is wrong, and whether the provisioner is content."""
        work, root = _new_folders(self.folder / name, "work", "guest")
        self.guest(root)
        step = configure(self.component, self.options)
        assert isinstance(step, Provisioner)
        communicator = _FrailCommunicator(FakeCommunicator(root, self.respond), dies_at)
        machine, before, watch = FakeMachine(communicator), Surroundings.of(work), Watch()
        where = "with a guest that stays" if dies_at is None else f"when the guest goes at call {dies_at + 1}"
        faults: list[str] = []
        for _ in range(times):
            with watch:
                run = rehearse(
                    lambda context: step.provision(context, machine), work, communicator=communicator
                )
            faults += outcome_faults(run, where)
            if dies_at is None and run.error is not None:
                faults.append(f"cannot provision: {run.error}")
        faults += [f"{deed} {where}" for deed in watch.touched if deed.startswith("prints")]
        faults += [f"leaves {left} {where}" for left in leftovers(work, before, tuple)]
        return communicator.calls, faults, run.error is None


def _new_folders(base: Path, *names: str) -> list[Path]:
    folders = [base / name for name in names]
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


def check_post_processor(
    component: type[PostProcessor[Any]],
    options: Mapping[str, Value],
    folder: Path,
    *,
    files: Mapping[str, bytes] | None = None,
    state: Mapping[str, object] | None = None,
) -> None:
    """Process an artifact of `files` (by default a small disk image), then again with a failure before and a
    cancellation after each step. The input must stay as it is; what ends early must leave nothing new, and
    the result must be a whole artifact. Raises `ContractViolation`."""
    check_component(component)
    contents = {"disk.raw": bytes(range(256)) * 256} if files is None else files
    complain(component, _Processing(component, options, folder, contents, state or {}).faults())


@dataclass(frozen=True)
class _Processing:
    component: type[PostProcessor[Any]]
    options: Mapping[str, Value]
    folder: Path
    contents: Mapping[str, bytes]
    state: Mapping[str, object]

    def faults(self) -> Iterator[str]:
        titles, faults = self._process("whole", None, "when nothing disturbs it")
        yield from faults
        for at, title in enumerate(titles):
            for mishap in (Mishap.BEFORE, Mishap.CANCEL):
                where = f"when `{title}` {mishap.value}"
                yield from self._process(f"{at}-{mishap.name.lower()}", Injection(at, mishap), where)[1]

    def _process(self, name: str, injection: Injection | None, where: str) -> tuple[list[str], list[str]]:
        """The titles of the steps, and what is wrong."""
        work, inputs = _new_folders(self.folder / name, "work", "input")
        for file, content in self.contents.items():
            (inputs / file).write_bytes(content)
        paths = tuple(inputs / file for file in self.contents)
        artifact = FileArtifact("vmforge.rehearsal", "VM", paths, "the input", inputs, self.state)
        step = configure(self.component, self.options)
        assert isinstance(step, PostProcessor)
        before, watch = Surroundings.of(work), Watch()
        with watch:
            run = rehearse(lambda context: step.process(context, artifact), work, injection=injection)
        faults = [*outcome_faults(run, where)]
        faults += [f"{deed} {where}" for deed in watch.touched if deed.startswith("prints")]
        faults += [] if self._is_whole(inputs) else [f"changes its input {where}"]
        if injection is None and run.error is not None:
            faults.append(f"cannot process: {run.error}")
        if run.error is None:
            faults += _processed_faults(run.result, work)
        else:
            faults += [f"leaves {left} {where}" for left in leftovers(work, before, tuple)]
        return run.titles, faults

    def _is_whole(self, inputs: Path) -> bool:
        present = {path.name: path.read_bytes() for path in inputs.iterdir()}
        return present == dict(self.contents)


def _processed_faults(processed: Processed | None, base: Path) -> Iterator[str]:
    if not isinstance(processed, Processed):
        yield f"`process` returns {processed!r}, no `Processed`"
    elif processed.artifact is not None:
        yield from artifact_faults(processed.artifact, base)


def check_data_source(component: type[DataSource[Any]], options: Mapping[str, Value]) -> None:
    """Read once. What is read must be values that templates can hold; a failure must be a `VmforgeError`
    with a text. Raises `ContractViolation`."""
    check_component(component)
    complain(component, _data_source_faults(component, options))


def _data_source_faults(component: type[DataSource[Any]], options: Mapping[str, Value]) -> Iterator[str]:
    source, watch = configure(component, options), Watch()
    assert isinstance(source, DataSource)
    try:
        with watch:
            values = source.read()
    except VmforgeError as error:
        yield f"cannot read: {error}"
        return
    except Exception as error:
        yield f"`read` raises `{type(error).__name__}: {error}`, no `VmforgeError`"
        return
    yield from (touched for touched in watch.touched if touched.startswith("prints"))
    for name, value in values.items():
        if not _is_value(value):
            yield f"`{name}` is {value!r}, which no template can hold"
    strangers = set(component.lasting(values)) - set(values)
    if strangers:
        yield f"`lasting` gives what `read` did not: {', '.join(sorted(strangers))}"


def _is_value(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_value(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_value, value))
    return value is None or value is UNKNOWN or isinstance(value, (str, bool, int, Decimal, Fraction))
