"""`run_command`, read as `docker run` reads it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from vmforge.builders.docker.run_command import LINUX, parse


def test_the_default() -> None:
    run = parse(LINUX)
    assert (run.image, run.command, run.entrypoint) == ("{{.Image}}", (), "/bin/sh")
    assert run.container == {"stdin_open": True, "tty": True}
    assert run.host == {}


def test_flags_in_all_their_spellings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FROM_HERE", "value")
    (tmp_path / "env").write_text("# no\nX=1\n\nFROM_HERE\n")
    run = parse(
        shlex.split(
            f"-dit -eA=b -e 'C=d e' --env FROM_HERE --env-file={tmp_path}/env -u app --name=me --label a=b "
            "-v /a:/b:ro --tmpfs /run --network=host -p 80:80 --cap-add SYS_ADMIN --device=/dev/fuse -m 512m "
            "--cpus 1.5 --init=false --ulimit nofile=1:2 --mount type=bind,src=/x,dst=/y,readonly "
            "--platform=linux/amd64 -w /srv --add-host a:1.2.3.4 --shm-size=1g --privileged --pid host "
            "image -c 'sleep 1'"
        )
    )
    assert run.container["environment"] == ["A=b", "C=d e", "FROM_HERE=value", "X=1", "FROM_HERE=value"]
    assert (run.container["user"], run.container["working_dir"]) == ("app", "/srv")
    assert (run.name, run.container["labels"], run.platform) == ("me", {"a": "b"}, "linux/amd64")
    assert run.host == {
        "binds": ["/a:/b:ro"],
        "tmpfs": ["/run"],
        "network_mode": "host",
        "cap_add": ["SYS_ADMIN"],
        "devices": ["/dev/fuse"],
        "mem_limit": 512 * 1024**2,
        "nano_cpus": 1_500_000_000,
        "init": False,
        "ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}],
        "mounts": [{"Type": "bind", "Target": "/y", "Source": "/x", "ReadOnly": True}],
        "extra_hosts": ["a:1.2.3.4"],
        "shm_size": 1024**3,
        "privileged": True,
    }
    assert run.published == ["80:80"]
    assert run.raw == {"PidMode": "host"}
    assert (run.image, run.command) == ("image", ("-c", "sleep 1"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-d", "--gpus", "all", "image"], "`--gpus` is no flag of `docker run` that vmforge knows"),
        (["-dz", "image"], "`-z` is no flag"),
        (["-d", "-e"], "`-e` wants a value"),
        (["-d", "--"], "it names no image"),
        (["--init=maybe", "image"], "`--init` is `true` or `false`, not `maybe`"),
        (["--memory", "much", "image"], "`--memory much`: `much` is not a size"),
        (["--ulimit", "nofile", "image"], "write `NAME=SOFT"),
        (["--mount", "type=tmpfs", "image"], "it has no `target`"),
        (["--env-file", "/none", "image"], "it cannot be read: No such file"),
    ],
)
def test_what_is_not_understood(arguments: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(arguments)
