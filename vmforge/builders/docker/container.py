"""The container of a build: run, watched, removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from vmforge.builders.docker.config import DockerConfig
from vmforge.builders.docker.engine import Engine, port_bindings
from vmforge.builders.docker.errors import EngineError
from vmforge.builders.docker.images import Image
from vmforge.builders.docker.run_command import LINUX, WINDOWS, RunCommand, host_path, parse
from vmforge.errors import CommunicatorError, MachineError, VmforgeError
from vmforge.sdk import BuildContext, Endpoint

_LAST_LINES = 20
_GO_ON = "`run_command` must start what goes on, as `--entrypoint=/bin/sh` with `-i -t` does"


@dataclass(frozen=True)
class State:
    """How a container is: `status` is the exit status of one that does not run."""

    running: bool
    status: int = 0
    out_of_memory: bool = False

    def __str__(self) -> str:
        if self.running:
            return "runs"
        return f"ended with status {self.status}" + (", out of memory" if self.out_of_memory else "")


@dataclass(frozen=True)
class Container:
    """A container of the engine."""

    engine: Engine
    id: str
    name: str

    def inspect(self) -> Mapping[str, Any]:
        """All that the engine knows of it. Raises `EngineError`."""
        found = self.engine.call("look at the container", lambda api: api.inspect_container(self.id))
        assert isinstance(found, dict)
        return found

    def state(self) -> State:
        """How it is now. One that is gone ended."""
        try:
            state = self.inspect()["State"]
        except EngineError as error:
            if error.is_absence:
                return State(False)
            raise
        return State(bool(state["Running"]), int(state.get("ExitCode") or 0), bool(state.get("OOMKilled")))

    def failure(self, state: State, when: str) -> CommunicatorError:
        """The error for a container that ended by itself, with the end of what it said."""
        error = CommunicatorError(f"the container {state} {when}", hint=_GO_ON)
        error.detail = self.last_words()
        return error

    def start(self) -> None:
        self.engine.call("start the container", lambda api: api.start(self.id))

    def last_words(self) -> str:
        """The end of what its process has printed."""
        try:
            said = self.engine.call(
                "read the container's output", lambda api: api.logs(self.id, tail=_LAST_LINES)
            )
        except EngineError:
            return ""
        return bytes(said).decode("utf-8", "replace").strip() if isinstance(said, bytes) else ""

    def endpoint(self, port: int) -> Endpoint:
        """Where a service in it is reached. Raises `MachineError` when it does not run."""
        found = self.inspect()
        if not found["State"]["Running"]:
            raise MachineError(f"the container has {self.state()}")
        network = found["NetworkSettings"]
        others = (network.get("Networks") or {}).values()
        addresses = [network.get("IPAddress"), *(other.get("IPAddress") for other in others)]
        return Endpoint(next(filter(None, addresses), "127.0.0.1"), port)

    def remove(self) -> None:
        """Kill it if it runs, and remove it with its volumes. That it is gone already is fine."""
        try:
            self.engine.for_cleanup().call(
                f"remove the container `{self.name}`",
                lambda api: api.remove_container(self.id, force=True, v=True),
            )
        except EngineError as error:
            if not error.is_absence:
                raise


@dataclass
class RunningContainer:
    """A container that runs while it is held. It has a name by which the next build finds it, should this
    one be killed: labels would be in the image that is made of it."""

    engine: Engine
    context: BuildContext
    config: DockerConfig
    image_name: str
    image: Image
    name: str
    _made: list[Container] = field(default_factory=list, init=False)

    def __enter__(self) -> Container:
        run = self._command()
        arguments = self._arguments(run)
        made = self.engine.call("make the container", lambda api: _create(api, run, arguments))
        container = Container(self.engine, str(made["Id"]), run.name)
        self._made.append(container)
        try:
            container.start()
            self._check(container)
        except BaseException:
            self._remove()
            raise
        return container

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def keep(self) -> str:
        """With `-on-error=abort` it goes on: say how to get in, and how to end it."""
        if not self._made:
            return ""
        program, name = self.engine.program, self._made[-1].name
        return f"the container: `{program} exec -it {name} /bin/sh`; end it with `{program} rm -f {name}`"

    def _remove(self) -> None:
        while self._made:
            self._made[-1].remove()
            self._made.pop()

    def _command(self) -> RunCommand:
        written = self.config.run_command or (WINDOWS if self.config.windows_container else LINUX)
        fields = {"Image": self.image_name}
        try:
            run = parse([self.context.render(word, fields) for word in written])
        except ValueError as error:
            raise VmforgeError(f"`run_command`: {error}", hint="see docs/docker.md") from None
        run.name = run.name or self.name
        if run.entrypoint and not self.image.entrypoint:
            # the same process; but an entry point that is not there need not be taken out of the image again
            run.command = (run.entrypoint, *run.command)
            run.entrypoint = None
        return run

    def _arguments(self, run: RunCommand) -> dict[str, Any]:
        """What the API takes, of `run_command` and of the other options."""
        config, host = self.config, dict(run.host)
        host["binds"] = [f"{host_path(here)}:{there}" for here, there in config.volumes.items()]
        host["binds"] += run.host.get("binds", [])
        for name, values in (
            ("tmpfs", config.tmpfs),
            ("devices", config.device),
            ("cap_add", config.cap_add),
            ("cap_drop", config.cap_drop),
        ):
            host[name] = [*values, *run.host.get(name, [])]
        host["tmpfs"] = dict(item.partition(":")[::2] for item in host["tmpfs"])
        host["privileged"] = config.privileged or run.host.get("privileged", False)
        host["runtime"] = run.host.get("runtime") or config.runtime
        if run.published:
            host["port_bindings"] = port_bindings(run.published)
        return {key: value for key, value in host.items() if value}

    def _check(self, container: Container) -> None:
        """That its process did not end at once."""
        state = container.state()
        if not state.running:
            raise container.failure(state, "at once")


def _create(api: Any, run: RunCommand, host: Mapping[str, Any]) -> Any:
    arguments = dict(run.container)
    if ports := host.get("port_bindings"):
        arguments["ports"] = list(ports)
    if run.entrypoint is not None:
        arguments["entrypoint"] = [run.entrypoint] if run.entrypoint else []
    try:
        host_config = api.create_host_config(**host)
    except (TypeError, ValueError) as error:  # which docker-py finds out by itself
        raise VmforgeError(f"`run_command`: {error}", hint="see docs/docker.md") from error
    host_config.update(run.raw)
    return api.create_container(
        run.image,
        command=list(run.command) or None,
        host_config=host_config,
        name=run.name,
        platform=run.platform or None,
        detach=True,
        **arguments,
    )


def named(engine: Engine, beginning: str) -> Iterator[Container]:
    """The containers whose name begins so, running or not."""
    found = engine.call(
        "list the containers", lambda api: api.containers(all=True, filters={"name": [f"^/?{beginning}"]})
    )
    for item in found:
        names = [str(name).lstrip("/") for name in item.get("Names") or ()]
        name = next((name for name in names if name.startswith(beginning)), "")
        if name:
            yield Container(engine, str(item["Id"]), name)
