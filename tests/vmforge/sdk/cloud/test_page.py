"""The cloud of docs/plugins.md, taken through every failure against an API in memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.fakes.cloud_builds import serving
from vmforge.sdk.testing import FakeCommunicator, check_builder, configure, fake_context

PAGE = Path(__file__).parents[4] / "docs" / "plugins.md"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    _, _, code = PAGE.read_text(encoding="utf-8").partition("## A cloud")[2].partition("```python\n")
    module = ModuleType("nimbus")
    monkeypatch.setitem(sys.modules, "nimbus", module)  # where dataclasses look for it
    exec(compile(code.partition("```")[0], str(PAGE), "exec"), module.__dict__)
    return module


class Api(ThreadingHTTPServer):
    """Nimbus. What is made is of use at once."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.things: dict[str, dict[str, Any]] = {"images/debian": {"id": "debian", "tags": {}}}
        self.numbers = count(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def left(self) -> list[str]:
        return [path for path in self.things if path != "images/debian"]


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(content) if content else {}
        things, path = self.server.things, self.path.strip("/")
        answer: Any = {}
        if self.command == "GET" and "/" not in path:
            answer = [thing for key, thing in things.items() if key.startswith(path)]
        elif self.command == "POST" and "/" not in path:
            id = str(next(self.server.numbers))
            status = "running" if path == "servers" else "ready"
            answer = {**body, "id": id, "status": status, "address": "192.0.2.7"}
            things[f"{path}/{id}"] = answer
        elif (thing := "/".join(path.split("/")[:2])) not in things:
            return self._reply(404, {"message": f"no {thing}"})
        elif self.command == "DELETE":
            del things[thing]
        elif path.endswith("/stop"):
            things[thing]["status"] = "stopped"
        elif path.endswith("/tags"):
            things[thing]["tags"] = body
        else:
            answer = things[thing]
        return self._reply(200, answer)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def _reply(self, status: int, answer: Any) -> None:
        self.send_response(status)
        content = json.dumps(answer).encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        return


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server, serving(server):
        yield server


def test_the_cloud_of_the_page(example: ModuleType, api: Api, tmp_path: Path) -> None:
    options = {"api_url": api.url, "token": "t", "source_image": "debian", "image_name": "web"}
    guest = FakeCommunicator(tmp_path / "guest")
    check_builder(
        example.NimbusBuilder, options, tmp_path / "check", communicator=guest, left_behind=api.left
    )
    context = fake_context(tmp_path, communicator=guest)
    builder: Any = configure(example.NimbusBuilder, options)
    artifact = builder.build(context)
    context.steps.release()
    assert api.left() == [f"images/{artifact.id}"]
    assert list(builder.leftovers(context)) == []
