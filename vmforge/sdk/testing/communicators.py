"""Whether connections to guests, and what makes them, keep their contracts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from vmforge.errors import CommunicatorError, Interrupted
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.communicator import Communicator, Connector, Endpoint
from vmforge.sdk.steps import Steps
from vmforge.sdk.testing.components import check_component, complain
from vmforge.sdk.testing.fakes import RecordingUi, configure, fake_context
from vmforge.sdk.values import Value

_CONTENT: Final = bytes(range(256)) * 64
# Seconds after which a wait that was told to end counts as going on.
_PATIENCE: Final = 10.0


def check_communicator(communicator: Communicator, local: Path, remote: str) -> None:
    """Use an open connection to a guest with a POSIX shell for everything that it is for, and close it.

    `local` is an empty folder here, `remote` one in the guest. Raises `ContractViolation`."""
    complain(type(communicator), _communicator_faults(communicator, local, remote.rstrip("/")))


def _communicator_faults(communicator: Communicator, local: Path, remote: str) -> Iterator[str]:
    checks: Mapping[str, Callable[[], Iterator[str]]] = {
        "commands": lambda: _command_faults(communicator),
        "files": lambda: _file_faults(communicator, local, remote),
        "folders": lambda: _folder_faults(communicator, local, remote),
        "files that are not there": lambda: _refusal_faults(communicator, local, remote),
        "reconnecting": lambda: _reconnect_faults(communicator),
    }
    for name, check in checks.items():
        try:
            yield from check()
        except Exception as error:
            yield f"{name}: raises `{type(error).__name__}: {error}`"
    try:
        communicator.close()
        communicator.close()
    except Exception as error:
        yield f"`close`, called twice, raises `{type(error).__name__}: {error}`"


def _command_faults(communicator: Communicator) -> Iterator[str]:
    if not communicator.kind:
        yield "`kind` is empty"
    status = communicator.run("exit 3")
    if status != 3:
        yield f"`run` gives {status} for a command that ends with 3"
    lines: list[tuple[str, bool]] = []
    communicator.run("echo one; echo 'two é'", lambda line, error: lines.append((line, error)))
    if lines != [("one", False), ("two é", False)]:
        yield f"`run` hands on {lines} of a command that prints `one` and `two é`"


def _file_faults(communicator: Communicator, local: Path, remote: str) -> Iterator[str]:
    sent, back = local / "sent", local / "back"
    sent.write_bytes(_CONTENT)
    communicator.upload(sent, f"{remote}/of a path")
    communicator.upload(BytesIO(_CONTENT), f"{remote}/of-a-stream", mode=0o755)
    for name in ("of a path", "of-a-stream"):
        back.write_bytes(b"old")
        communicator.download(f"{remote}/{name}", back)
        if back.read_bytes() != _CONTENT:
            yield f"what was uploaded as `{name}` is not what is downloaded"
    if communicator.run(f"test -x '{remote}/of-a-stream'") != 0:
        yield "`upload` does not heed `mode`"


def _folder_faults(communicator: Communicator, local: Path, remote: str) -> Iterator[str]:
    folder, back = local / "folder", local / "folder-back"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_bytes(_CONTENT)
    communicator.upload_directory(folder, f"{remote}/folder")
    back.mkdir()
    communicator.download_directory(f"{remote}/folder", back)
    found = sorted(str(path.relative_to(back)) for path in back.rglob("*"))
    if found != ["deep", "deep/file"]:
        yield f"a folder comes back with {found} in place of `deep/file`"


def _refusal_faults(communicator: Communicator, local: Path, remote: str) -> Iterator[str]:
    kept = local / "kept"
    kept.write_bytes(b"kept")
    refused: Mapping[str, Callable[[], None]] = {
        "`download` of a file that is not there": lambda: communicator.download(f"{remote}/nowhere", kept),
        "`upload` to a folder that is not there": lambda: communicator.upload(
            BytesIO(b""), f"{remote}/nowhere/file"
        ),
    }
    for name, attempt in refused.items():
        try:
            attempt()
        except CommunicatorError:
            continue
        except Exception as error:
            yield f"{name} raises `{type(error).__name__}`, no `CommunicatorError`"
        else:
            yield f"{name} raises nothing"
    if kept.read_bytes() != b"kept":
        yield "a `download` that fails destroys the file that was there"


def _reconnect_faults(communicator: Communicator) -> Iterator[str]:
    communicator.reconnect(_PATIENCE)
    if communicator.run("true") != 0:
        yield "`run` fails after `reconnect`"


def check_connector(component: type[Connector[Any]], options: Mapping[str, Value], folder: Path) -> None:
    """Wait for a guest that never comes: the wait must end at once, with `Interrupted`, when the build is
    cancelled. Raises `ContractViolation`."""
    check_component(component)
    complain(component, _connector_faults(component, options, folder))


def _connector_faults(
    component: type[Connector[Any]], options: Mapping[str, Value], folder: Path
) -> Iterator[str]:
    connector = configure(component, options)
    assert isinstance(connector, Connector)
    ui, cancellation = RecordingUi(), Cancellation()
    context = fake_context(
        folder, ui=ui, cancellation=cancellation, steps=Steps(ui, cancellation), connector=connector
    )
    values = connector.prepare(context)
    if not all(isinstance(text, str) for item in values.items() for text in item):
        yield "`prepare` gives something other than texts"
    asked, outcome = threading.Event(), list[BaseException]()

    def endpoint() -> Endpoint:
        asked.set()
        raise CommunicatorError("the guest of the check has no address")

    def connect() -> None:
        try:
            connector.connect(context, endpoint)
        except BaseException as error:
            outcome.append(error)

    waiting = threading.Thread(target=connect, daemon=True)
    waiting.start()
    asked.wait(_PATIENCE)
    cancellation.cancel()
    waiting.join(_PATIENCE)
    if waiting.is_alive():
        yield "goes on waiting for a guest when the build is cancelled"
    elif not outcome:
        yield "connects to a guest that has no address"
    elif not isinstance(outcome[0], (Interrupted, CommunicatorError)):
        yield f"raises `{type(outcome[0]).__name__}: {outcome[0]}` when the build is cancelled"
