"""The options of the `test` provisioner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.provisioners.local_paths import check_files, check_paths
from vmforge.sdk import Config, Problem, option
from vmforge.sdk.late import check_late

SUITES = ("inline", "scripts", "bats", "goss_file", "testinfra")
_EXECUTE = "{{ .Command }}"


class Subject(StrEnum):
    """What is tested: the guest as it is at this point of the build, or the finished image."""

    GUEST = "guest"
    ARTIFACT = "artifact"


@dataclass(frozen=True, kw_only=True)
class GuestTestConfig(Config):
    """The options of the `test` provisioner."""

    on: Subject = option(
        Subject.GUEST,
        help="What to test: the `guest` as it is now, or the `artifact`, when the image is finished: it is "
        "booted in an overlay that is thrown away.",
    )
    inline: tuple[str, ...] = option((), help="Commands; each is a test, which passes with exit status 0.")
    scripts: tuple[Path, ...] = option((), help="Scripts; each is a test, which passes with exit status 0.")
    bats: tuple[Path, ...] = option((), help="Files of bats (or folders of them), which the guest must have.")
    goss_file: Path | None = option(None, help="A file of goss, which the guest must have.")
    goss_vars: Path | None = option(None, help="A file of variables for goss.")
    goss_binary: Path | None = option(
        None, help="A goss on this machine that is uploaded, for guests that have none."
    )
    testinfra: tuple[Path, ...] = option(
        (), help="Files of testinfra, which runs on this machine and logs in to the guest."
    )
    testinfra_command: tuple[str, ...] = option(
        ("pytest",), help="The command that runs testinfra, and its first arguments."
    )
    env: Mapping[str, str] = option({}, help="Variables for the tests that run in the guest.")
    execute_command: str = option(
        _EXECUTE,
        late=True,
        help="How commands are run in the guest; knows `{{ .Command }}` (`sudo -E {{ .Command }}`).",
    )
    remote_folder: str = option("/tmp", help="The guest's folder for what is uploaded.")
    junit: Path | None = option(None, help="Where to write a report, in JUnit's XML.", written=True)
    suite: str = option("", help="What the report calls these tests.", default_text="the build's name")


def check_tests(config: GuestTestConfig) -> Iterable[Problem]:
    """Everything that is wrong with the options, judged by their values."""
    if not any(getattr(config, name) for name in SUITES):
        listed = ", ".join(f"`{name}`" for name in SUITES[:-1])
        yield Problem("there is nothing to test", hint=f"set {listed} or `{SUITES[-1]}`")
    yield from check_files(config, "scripts", "goss_file", "goss_vars", "goss_binary")
    yield from check_paths(config, "bats", "testinfra")
    yield from check_late(config.execute_command, ("Command",), "execute_command")
    for name in ("goss_vars", "goss_binary"):
        if getattr(config, name) is not None and config.goss_file is None:
            yield Problem(f"`{name}` has no effect without `goss_file`", name, warning=True)
    if config.testinfra and not config.testinfra_command:
        yield Problem("`testinfra_command` is empty", "testinfra_command")
    for name in config.env:
        if not name or "=" in name:
            yield Problem(f"`{name}` cannot be the name of a variable", "env")
