"""The `upload` post-processor as a whole: its options, side by side, and when it is interrupted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import HostError, Interrupted, VmforgeError
from vmforge.post_processors.upload import UploadPostProcessor
from vmforge.sdk import Artifact, Cancellation
from vmforge.sdk.testing import RecordingUi, configure


def test_every_file_to_every_destination(
    upload: Callable[..., Artifact], put_server: Any, tmp_path: Path, ui: RecordingUi
) -> None:
    files = [tmp_path / name for name in "abc"]
    for file in files:
        file.write_text(file.name)
    upload(*files, urls=[f"{put_server.url}/1/", f"{put_server.url}/2/"], parallel=3)
    got = sorted((request.path, request.body) for request in put_server.received)
    assert got == [(f"/{number}/{name}", name.encode()) for number in (1, 2) for name in "abc"]
    assert len([text for text in ui.texts("message") if text.startswith("uploaded")]) == 6


def test_a_failure_keeps_others_from_beginning(
    upload: Callable[..., Artifact], put_server: Any, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in "abc"]
    for file in files:
        file.write_text(file.name)
    put_server.answers += [(201, {}), (403, {})]
    with pytest.raises(HostError, match=r"/b` could not be uploaded: the server refuses access"):
        upload(*files, urls=[f"{put_server.url}/"], parallel=1)
    assert [request.path for request in put_server.received] == ["/a", "/b"]


def test_an_interrupt_does_not_wait_for_a_server_that_hangs(
    upload: Callable[..., Artifact], disk: Path
) -> None:
    cancellation = Cancellation()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take_and_interrupt() -> None:
            with server.accept()[0] as connection:
                connection.recv(1)
                cancellation.cancel()

        thread = threading.Thread(target=take_and_interrupt)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        with pytest.raises(Interrupted):
            upload(disk, urls=[url], context={"cancellation": cancellation})
        thread.join()


def test_an_artifact_without_files(upload: Callable[..., Artifact]) -> None:
    with pytest.raises(VmforgeError, match="the artifact has no files to upload"):
        upload(urls=["http://127.0.0.1:1/"])


def test_a_file_that_is_gone(upload: Callable[..., Artifact], tmp_path: Path) -> None:
    with pytest.raises(VmforgeError, match=r"the artifact's file `.*gone` cannot be read"):
        upload(tmp_path / "gone", urls=["http://127.0.0.1:1/"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"urls": []}, "`urls` is empty"),
        ({"urls": ["gopher://x/"]}, "option `urls`: `gopher://` is no destination"),
        ({"urls": ["http://x/{{ .BuildNam }}"]}, "did you mean `.BuildName`?"),
        ({"urls": ["http://x/"], "attempts": 0}, "`attempts` must be at least 1"),
        ({"urls": ["http://x/"], "parallel": 0}, "`parallel` must be at least 1"),
        ({"urls": ["http://x/"], "token": "a", "username": "b"}, "only one of them can be"),
    ],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(UploadPostProcessor, options)
    assert expected in str(caught.value)


def test_a_program_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="the program `rsync`, which `urls` needs, is not installed"):
        configure(UploadPostProcessor, {"urls": ["host:x"]})
