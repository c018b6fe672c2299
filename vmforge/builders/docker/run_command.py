"""`run_command`: the arguments of `docker run`, as what the engine's API takes.

https://docs.docker.com/reference/cli/docker/container/run/
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vmforge.sdk import Size

LINUX: Final = ("-d", "-i", "-t", "--entrypoint=/bin/sh", "--", "{{.Image}}")
WINDOWS: Final = ("-d", "-i", "-t", "--entrypoint=powershell", "--", "{{.Image}}")


@dataclass
class RunCommand:
    """What to run. `container` and `host` are arguments of docker-py's `create_container` and
    `create_host_config`, `raw` what it does not know of the API's `HostConfig`; `entrypoint` is None for the
    image's own."""

    image: str = ""
    command: tuple[str, ...] = ()
    entrypoint: str | None = None
    name: str = ""
    platform: str = ""
    published: list[str] = field(default_factory=list)
    container: dict[str, Any] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)


def parse(arguments: Sequence[str]) -> RunCommand:
    """Read the arguments. Raises ValueError with a message for the user, for a flag too that is not known."""
    run, rest = RunCommand(), list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            _long(run, word, rest)
        else:
            _short(run, word, rest)
    if not rest:
        raise ValueError("it names no image; write `{{ .Image }}` where the image belongs")
    run.image, run.command = rest[0], tuple(rest[1:])
    return run


def _long(run: RunCommand, word: str, rest: list[str]) -> None:
    name, equals, value = word.partition("=")
    if name in _SWITCHES:
        if equals and value not in ("true", "false"):
            raise ValueError(f"`{name}` is `true` or `false`, not `{value}`")
        _SWITCHES[name](run, value != "false")
        return
    if name not in _VALUES:
        raise ValueError(f"`{name}` is no flag of `docker run` that vmforge knows")
    _set(run, name, value if equals else _value(name, rest))


def _short(run: RunCommand, word: str, rest: list[str]) -> None:
    """`-dit`, `-e A=b`, `-eA=b`."""
    letters = word[1:]
    while letters:
        flag, letters = f"-{letters[0]}", letters[1:]
        if flag in _SWITCHES:
            _SWITCHES[flag](run, True)
            continue
        if flag not in _VALUES:
            raise ValueError(f"`{flag}` is no flag of `docker run` that vmforge knows")
        _set(run, flag, letters.removeprefix("=") if letters else _value(flag, rest))
        return


def _value(name: str, rest: list[str]) -> str:
    if not rest:
        raise ValueError(f"`{name}` wants a value")
    return rest.pop(0)


def _set(run: RunCommand, name: str, value: str) -> None:
    try:
        _VALUES[name](run, value)
    except ValueError as error:
        raise ValueError(f"`{name} {value}`: {error}") from None


_Switch = Callable[[RunCommand, bool], None]
_Setter = Callable[[RunCommand, str], None]


def _ignored(run: RunCommand, on: bool) -> None:
    """It is so in any case: the container runs in the background, and is removed when the build ends."""


def _on(part: str, key: str) -> _Switch:
    def switch(run: RunCommand, on: bool) -> None:
        getattr(run, part)[key] = on

    return switch


def _one(part: str, key: str, read: Callable[[str], Any] = str) -> _Setter:
    def put(run: RunCommand, value: str) -> None:
        getattr(run, part)[key] = read(value)

    return put


def _many(part: str, key: str, read: Callable[[str], Any] = str) -> _Setter:
    def put(run: RunCommand, value: str) -> None:
        getattr(run, part).setdefault(key, []).append(read(value))

    return put


def _map(part: str, key: str) -> _Setter:
    def put(run: RunCommand, value: str) -> None:
        name, _, content = value.partition("=")
        getattr(run, part).setdefault(key, {})[name] = content

    return put


def _own(attribute: str) -> _Setter:
    def put(run: RunCommand, value: str) -> None:
        setattr(run, attribute, value)

    return put


def _publish(run: RunCommand, value: str) -> None:
    run.published.append(value)


def _variable(text: str) -> str:
    """`NAME=value`, or `NAME` for the value that it has here."""
    return text if "=" in text else f"{text}={os.environ.get(text, '')}"


def _env_file(run: RunCommand, value: str) -> None:
    try:
        lines = Path(value).expanduser().read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    variables = run.container.setdefault("environment", [])
    variables += [_variable(line) for line in lines if line.strip() and not line.startswith("#")]


def _bytes(text: str) -> int:
    return Size.parse(text).bytes


def _ulimit(text: str) -> dict[str, Any]:
    name, equals, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    if not equals:
        raise ValueError("write `NAME=SOFT[:HARD]`")
    return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}


def _mount(text: str) -> dict[str, Any]:
    """`type=bind,source=/here,target=/there,readonly`."""
    given = dict(_pair(part) for part in text.split(","))
    target = given.get("target") or given.get("dst") or given.get("destination")
    if not target:
        raise ValueError("it has no `target`")
    source = given.get("source") or given.get("src")
    read_only = (given.get("readonly") or given.get("ro") or "false") != "false"
    kind = given.get("type", "volume")
    mount: dict[str, Any] = {"Type": kind, "Target": target, "ReadOnly": read_only}
    return mount if source is None else mount | {"Source": source}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    return name, value if equals else "true"


def host_path(volume: str) -> str:
    """A volume with `~/` at its beginning spelled out."""
    return str(Path(volume).expanduser()) if volume.startswith("~/") else volume


_SWITCHES: Final[Mapping[str, _Switch]] = {
    **dict.fromkeys(("-d", "--detach", "--rm", "--sig-proxy", "-q", "--quiet"), _ignored),
    **dict.fromkeys(("-i", "--interactive"), _on("container", "stdin_open")),
    **dict.fromkeys(("-t", "--tty"), _on("container", "tty")),
    "--init": _on("host", "init"),
    "--privileged": _on("host", "privileged"),
    "--read-only": _on("host", "read_only"),
    "--oom-kill-disable": _on("host", "oom_kill_disable"),
    **dict.fromkeys(("-P", "--publish-all"), _on("host", "publish_all_ports")),
}


def _values() -> Iterator[tuple[tuple[str, ...], _Setter]]:
    yield ("-e", "--env"), _many("container", "environment", _variable)
    yield ("--env-file",), _env_file
    yield ("-u", "--user"), _one("container", "user")
    yield ("-w", "--workdir"), _one("container", "working_dir")
    yield ("-h", "--hostname"), _one("container", "hostname")
    yield ("--domainname",), _one("container", "domainname")
    yield ("-l", "--label"), _map("container", "labels")
    yield ("--stop-signal",), _one("container", "stop_signal")
    yield ("--name",), _own("name")
    yield ("--entrypoint",), _own("entrypoint")
    yield ("--platform",), _own("platform")
    yield ("-p", "--publish"), _publish
    yield ("-v", "--volume"), _many("host", "binds", host_path)
    yield ("--mount",), _many("host", "mounts", _mount)
    yield ("--tmpfs",), _many("host", "tmpfs")
    yield ("--volumes-from",), _many("host", "volumes_from")
    yield ("--cap-add",), _many("host", "cap_add")
    yield ("--cap-drop",), _many("host", "cap_drop")
    yield ("--device",), _many("host", "devices")
    yield ("--device-cgroup-rule",), _many("host", "device_cgroup_rules")
    yield ("--group-add",), _many("host", "group_add")
    yield ("--security-opt",), _many("host", "security_opt")
    yield ("--add-host",), _many("host", "extra_hosts")
    yield ("--dns",), _many("host", "dns")
    yield ("--dns-search",), _many("host", "dns_search")
    yield ("--dns-option",), _many("host", "dns_opt")
    yield ("--ulimit",), _many("host", "ulimits", _ulimit)
    yield ("--sysctl",), _map("host", "sysctls")
    yield ("--network", "--net"), _one("host", "network_mode")
    yield ("--pid",), _one("raw", "PidMode")
    yield ("--ipc",), _one("raw", "IpcMode")
    yield ("--uts",), _one("raw", "UTSMode")
    yield ("--userns",), _one("raw", "UsernsMode")
    yield ("--cgroupns",), _one("raw", "CgroupnsMode")
    yield ("--cgroup-parent",), _one("raw", "CgroupParent")
    yield ("--isolation",), _one("raw", "Isolation")
    yield ("--runtime",), _one("host", "runtime")
    yield ("-m", "--memory"), _one("host", "mem_limit", _bytes)
    yield ("--memory-swap",), _one("host", "memswap_limit", _bytes)
    yield ("--shm-size",), _one("host", "shm_size", _bytes)
    yield ("--cpus",), _one("host", "nano_cpus", lambda text: int(float(text) * 1e9))
    yield ("-c", "--cpu-shares"), _one("host", "cpu_shares", int)
    yield ("--cpuset-cpus",), _one("host", "cpuset_cpus")
    yield ("--pids-limit",), _one("host", "pids_limit", int)
    yield ("--oom-score-adj",), _one("host", "oom_score_adj", int)


_VALUES: Final[Mapping[str, _Setter]] = {name: setter for names, setter in _values() for name in names}
