"""The `goss` provisioner: checks the guest with goss."""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.errors import CommandFailed
from vmforge.provisioners.local_paths import check_files, check_paths, paths_of
from vmforge.provisioners.staging import (
    FileCommands,
    GuestSystem,
    StagingFolder,
    check_program,
    run_in_guest,
)
from vmforge.sdk import (
    BuildContext,
    Communicator,
    Config,
    Duration,
    Machine,
    Problem,
    Provisioner,
    Secret,
    option,
)
from vmforge.sdk.network import RemoteInput, RemoteKind

_RELEASES = "https://github.com/goss-org/goss/releases/download"


class TargetSystem(StrEnum):
    LINUX = "Linux"
    WINDOWS = "Windows"


@dataclass(frozen=True, kw_only=True)
class GossConfig(Config):
    """The options of the `goss` provisioner."""

    tests: tuple[Path, ...] = option(help="The files of tests, and folders of what they include.")
    goss_file: Path | None = option(
        None, help="The first file of tests.", default_text="the first of `tests`"
    )
    vars_file: Path | None = option(None, help="A file of variables for the tests.")
    vars_inline: Mapping[str, str] = option({}, help="Variables for the tests.")
    vars_env: Mapping[str, str] = option({}, help="Variables for the environment of goss.")
    version: str = option("0.4.9", help="The version to fetch.")
    arch: str = option("amd64", help="The guest's architecture, as goss calls it.")
    target_os: TargetSystem = option(TargetSystem.LINUX, help="The guest's system.")
    url: str = option("", help="Where goss is fetched from.", default_text="goss's releases on GitHub")
    username: str = option("", help="The user name for that.")
    password: Secret = option(Secret(""), help="The password for that.")
    skip_ssl: bool = option(False, help="Do not look at the server's certificate.")
    download_path: str = option(
        "", help="The path of goss in the guest.", default_text="`goss-VERSION-linux-ARCH` in `remote_folder`"
    )
    skip_install: bool = option(False, help="Goss is there already, at `download_path` or on the path.")
    skip_download: bool = option(False, help="The same as `skip_install`.")
    use_sudo: bool = option(False, help="Run goss as root.")
    remote_folder: str = option("/tmp", help="The guest's folder for goss.")
    remote_path: str = option(
        "", help="The guest's folder for the tests.", default_text="`goss` in `remote_folder`"
    )
    format: str = option("", help="The format of what goss says.", default_text="goss's own (`rspecish`)")
    format_options: str = option("", help="Options of the format: `perfdata`, `verbose`, `pretty`.")
    retry_timeout: Duration | None = option(
        None, help="How long to try again until all tests pass.", default_text="one try"
    )
    sleep: Duration | None = option(None, help="The pause between two tries.", default_text="1s")
    inspect: bool = option(False, help="Show what the tests find, and go on whatever that is.")

    @property
    def installs(self) -> bool:
        return not (self.skip_install or self.skip_download)

    @property
    def file_name(self) -> str:
        """What a release calls the program."""
        suffix = ".exe" if self.target_os is TargetSystem.WINDOWS else ""
        return f"{self.target_os.lower()}-{self.arch}{suffix}"

    @property
    def source(self) -> str:
        """Where the guest fetches goss from."""
        return self.url or f"{_RELEASES}/v{self.version}/goss-{self.file_name}"


class GossProvisioner(Provisioner[GossConfig]):
    """Checks the guest; a test that fails ends the build."""

    config_type = GossConfig
    summary = "checks the guest with goss"

    @classmethod
    def check(cls, config: GossConfig) -> Iterable[Problem]:
        if not config.tests:
            yield Problem("`tests` is empty", "tests")
        yield from check_paths(config, "tests")
        yield from check_files(config, "goss_file", "vars_file")
        if config.password and not config.username:
            yield Problem("`password` needs `username`", "password")
        if config.sleep is not None and config.retry_timeout is None:
            yield Problem("`sleep` has no effect without `retry_timeout`", "sleep", warning=True)

    @classmethod
    def remote_inputs(cls, config: GossConfig) -> Iterable[RemoteInput]:
        if config.installs:
            yield RemoteInput(RemoteKind.GUEST, "goss, unless `skip_install` is set", (config.source,))

    @property
    def cacheable(self) -> bool:
        return not self.config.inspect

    def input_files(self) -> Iterable[Path]:
        return paths_of(self.config, "tests", "goss_file", "vars_file")

    def provision(self, context: BuildContext, machine: Machine) -> None:
        config, communicator = self.config, machine.communicator
        is_windows = config.target_os is TargetSystem.WINDOWS
        commands = FileCommands(GuestSystem.WINDOWS if is_windows else GuestSystem.UNIX, config.use_sudo)
        folder = config.remote_path or posixpath.join(config.remote_folder, "goss")
        with StagingFolder(context, communicator, folder, commands, keep=False) as staging:
            run = _Run(config, context, communicator, staging)
            run.install()
            run.validate()


@dataclass(frozen=True)
class _Run:
    config: GossConfig
    context: BuildContext
    communicator: Communicator
    staging: StagingFolder

    @property
    def _is_windows(self) -> bool:
        return self.config.target_os is TargetSystem.WINDOWS

    @property
    def _program(self) -> str:
        """Where goss is in the guest."""
        config = self.config
        if not config.installs and not config.download_path:
            return "goss"
        name = f"goss-{config.version}-{config.file_name}"
        return config.download_path or posixpath.join(config.remote_folder, name)

    def install(self) -> None:
        if not self.config.installs:
            return
        status = run_in_guest(self.context, self.communicator, self._download())
        check_program("fetching goss", status, program="curl")

    def _download(self) -> str:
        config, path = self.config, self._program
        url = config.source
        if self._is_windows:
            fetch = f"Invoke-WebRequest -UseBasicParsing -Uri {url} -OutFile {path}"
            return f'powershell.exe -NoProfile -Command "{fetch}"'
        options = ["curl", "-fsSL", *(["-k"] if config.skip_ssl else [])]
        if config.username:
            # in a file, because everybody in the guest may read a command line
            login = f'user = "{config.username}:{config.password.value}"\n'
            options += ["-K", self.staging.write(login, "curl-settings")]
        return f"{shlex.join([*options, '-o', path, url])} && chmod 755 {shlex.quote(path)}"

    def validate(self) -> None:
        config = self.config
        names = [Path(self.staging.upload(path, path.absolute().name)).name for path in config.tests]
        first = config.goss_file
        gossfile = Path(self.staging.upload(first, first.name)).name if first is not None else names[0]
        command = " ".join(self._command(gossfile))
        status = run_in_guest(
            self.context, self.communicator, f"cd {shlex.quote(self.staging.path)} && {command}"
        )
        if status == 0:
            return
        if config.inspect:
            self.context.ui.message(
                f"some tests failed (status {status}); going on, because `inspect` is set"
            )
            return
        if status == 127:
            check_program("`goss`", status, program="goss")
        hint = "the lines above say which; `inspect = true` goes on all the same"
        raise CommandFailed(f"tests of goss failed: exit status {status}", status=status, hint=hint)

    def _command(self, gossfile: str) -> Iterator[str]:
        config = self.config
        variables = [f"{name}={shlex.quote(value)}" for name, value in config.vars_env.items()]
        if self._is_windows:
            yield from (f'set "{name}={value}" &&' for name, value in config.vars_env.items())
        elif config.use_sudo:
            yield " ".join(["sudo", *variables])
        else:
            yield from variables
        yield self._program if self._is_windows else shlex.quote(self._program)
        yield f"--gossfile {shlex.quote(gossfile)}"
        if config.vars_file is not None:
            variables_file = self.staging.upload(config.vars_file, config.vars_file.name)
            yield f"--vars {shlex.quote(variables_file)}"
        if config.vars_inline:
            yield f"--vars-inline {shlex.quote(_inline(config.vars_inline))}"
        yield "validate"
        if config.retry_timeout is not None:
            yield f"--retry-timeout {_go(config.retry_timeout)} --sleep {_go(config.sleep or Duration(1))}"
        if config.format:
            yield f"--format {config.format}"
        if config.format_options:
            yield f"--format-options {config.format_options}"


def _inline(variables: Mapping[str, str]) -> str:
    return json.dumps(dict(variables))


def _go(duration: Duration) -> str:
    return f"{duration.seconds:g}s"
