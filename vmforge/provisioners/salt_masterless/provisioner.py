"""The provisioner: states and pillars up, one `salt-call`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.provisioners.local_paths import check_files, check_folders, paths_of
from vmforge.provisioners.salt_masterless.formulas import Formula
from vmforge.provisioners.staging import (
    FileCommands,
    GuestSystem,
    StagingFolder,
    check_program,
    run_in_guest,
    system_of,
)
from vmforge.sdk import BuildContext, Communicator, Config, Machine, Problem, Provisioner, option

# Where Salt's own installer is fetched from, in the guest.
from vmforge.sdk.network import RemoteInput, RemoteKind

_INSTALLER = "https://github.com/saltstack/salt-bootstrap/releases/latest/download/bootstrap-salt"


@dataclass(frozen=True)
class _Places:
    """Where things are in the guest."""

    staging: str
    states: str
    pillars: str
    settings: str


_PLACES = {
    GuestSystem.UNIX: _Places("/tmp/salt", "/srv/salt", "/srv/pillar", "/etc/salt"),
    GuestSystem.WINDOWS: _Places(
        "C:/Windows/Temp/salt", "C:/salt/state", "C:/salt/pillar", "C:/ProgramData/Salt Project/Salt/conf"
    ),
}


@dataclass(frozen=True, kw_only=True)
class SaltMasterlessConfig(Config):
    """The options of the `salt-masterless` provisioner."""

    local_state_tree: Path = option(help="The folder of states.")
    local_pillar_roots: Path | None = option(None, help="The folder of pillars.")
    remote_state_tree: str = option(
        "", help="Where the states go in the guest.", default_text="`/srv/salt`, on Windows `C:/salt/state`"
    )
    remote_pillar_roots: str = option(
        "",
        help="Where the pillars go in the guest.",
        default_text="`/srv/pillar`, on Windows `C:/salt/pillar`",
    )
    formulas: tuple[str, ...] = option(
        (), help="Formulas to add to the states: `git::URL//FOLDER?ref=BRANCH`, or `PATH//FOLDER`."
    )
    custom_state: str = option("", help="The state to apply.", default_text="the highstate")
    minion_config: Path | None = option(
        None, help="The minion's settings, which then say where states and pillars are."
    )
    grains_file: Path | None = option(None, help="A file of grains.")
    salt_call_args: str = option("", help="More arguments for `salt-call`, as the shell reads them.")
    salt_bin_dir: str = option(
        "", help="The guest's folder with `salt-call`.", default_text="the guest's path"
    )
    log_level: str = option("info", help="Salt's log level.")
    no_exit_on_failure: bool = option(False, help="Go on when a state fails.")
    skip_bootstrap: bool = option(False, help="Do not install Salt.")
    bootstrap_args: str = option("", help="Arguments for Salt's installer.")
    disable_sudo: bool = option(False, help="Run everything as the user that vmforge logs in as.")
    temp_config_dir: str = option(
        "",
        help="The guest's folder that things are uploaded to.",
        default_text="`/tmp/salt`, on Windows `C:/Windows/Temp/salt`",
        affects_image=False,
    )
    guest_os_type: GuestSystem | None = option(
        None, help="The guest's system.", default_text="`windows` over WinRM, else `unix`"
    )


def _readable(formulas: Iterable[str]) -> Iterator[Formula]:
    """Those whose text can be read; of the others `check` tells."""
    for text in formulas:
        try:
            yield Formula.parse(text)
        except ValueError:
            continue


class SaltMasterlessProvisioner(Provisioner[SaltMasterlessConfig]):
    """Applies states in the guest, with Salt installed there first."""

    config_type = SaltMasterlessConfig
    summary = "uploads states and pillars, and applies them with Salt in the guest"

    @classmethod
    def check(cls, config: SaltMasterlessConfig) -> Iterable[Problem]:
        yield from check_folders(config, "local_state_tree", "local_pillar_roots")
        yield from check_files(config, "minion_config", "grains_file")
        for name in ("remote_state_tree", "remote_pillar_roots"):
            if config.minion_config is not None and getattr(config, name):
                hint = "say it in the minion's settings (`file_roots`, `pillar_roots`)"
                yield Problem(f"`{name}` has no effect beside `minion_config`", name, hint=hint)
        for text in config.formulas:
            try:
                Formula.parse(text)
            except ValueError as error:
                yield Problem(str(error), "formulas")

    @classmethod
    def remote_inputs(cls, config: SaltMasterlessConfig) -> Iterable[RemoteInput]:
        for formula in _readable(config.formulas):
            if not formula.is_local:
                what = f"the formula `{formula.name}`, cloned by git"
                yield RemoteInput(RemoteKind.PROGRAM, what, (formula.repository,))
        if not config.skip_bootstrap:
            what = "Salt's installer, unless `skip_bootstrap` is set"
            yield RemoteInput(RemoteKind.GUEST, what, (f"{_INSTALLER}.sh",))

    @property
    def cacheable(self) -> bool:
        return True

    def input_files(self) -> Iterable[Path]:
        yield from paths_of(
            self.config, "local_state_tree", "local_pillar_roots", "minion_config", "grains_file"
        )
        formulas = _readable(self.config.formulas)
        yield from (Path(formula.repository, formula.folder) for formula in formulas if formula.is_local)

    def provision(self, context: BuildContext, machine: Machine) -> None:
        system = system_of(machine.communicator, self.config.guest_os_type)
        places, config = _PLACES[system], self.config
        commands = FileCommands(system, system is GuestSystem.UNIX and not config.disable_sudo)
        path = config.temp_config_dir or places.staging
        with StagingFolder(context, machine.communicator, path, commands, keep=False) as staging:
            run = _Run(config, context, machine.communicator, staging, places)
            run.install()
            run.upload()
            run.apply()


@dataclass(frozen=True)
class _Run:
    config: SaltMasterlessConfig
    context: BuildContext
    communicator: Communicator
    staging: StagingFolder
    places: _Places

    @property
    def _is_windows(self) -> bool:
        return self.staging.commands.system is GuestSystem.WINDOWS

    @property
    def _root(self) -> str:
        return "sudo " if self.staging.commands.sudo else ""

    def install(self) -> None:
        """Fetch and run Salt's installer, where Salt is not there yet."""
        if self.config.skip_bootstrap:
            return
        status = run_in_guest(self.context, self.communicator, self._installation())
        check_program("Salt's installer", status, program="curl or wget")

    def _installation(self) -> str:
        arguments = f" {self.config.bootstrap_args}" if self.config.bootstrap_args else ""
        if self._is_windows:
            path = self.staging.inside("bootstrap-salt.ps1")
            fetch = f"Invoke-WebRequest -UseBasicParsing -Uri {_INSTALLER}.ps1 -OutFile {path}"
            return f'powershell.exe -NoProfile -ExecutionPolicy Bypass -Command "{fetch}; {path}{arguments}"'
        path, url = shlex.quote(self.staging.inside("bootstrap-salt.sh")), f"{_INSTALLER}.sh"
        fetch = f"{{ curl -fsSL -o {path} {url} || wget -q -O {path} {url}; }}"
        return f"command -v salt-call >/dev/null || {{ {fetch} && {self._root}sh {path}{arguments}; }}"

    def upload(self) -> None:
        """Bring states, pillars and settings to their places."""
        config = self.config
        states = self.staging.upload(config.local_state_tree, "states")
        for text in config.formulas:
            formula = Formula.parse(text)
            found = formula.fetch(self.context.scratch / f"formula-{formula.name}", self.context)
            self.staging.upload(found, f"states/{formula.name}")
        self._move(states, config.remote_state_tree or self.places.states)
        if config.local_pillar_roots is not None:
            pillars = self.staging.upload(config.local_pillar_roots, "pillars")
            self._move(pillars, config.remote_pillar_roots or self.places.pillars)
        for name, source in (("minion", config.minion_config), ("grains", config.grains_file)):
            if source is not None:
                self._move(self.staging.upload(source, name), f"{self.places.settings}/{name}")

    def _move(self, source: str, destination: str) -> None:
        command = self.staging.commands.move(source, destination)
        self.staging.prepare(command, f"`{destination}` cannot be put in its place in the guest")

    def apply(self) -> None:
        status = run_in_guest(self.context, self.communicator, " ".join(self._arguments()))
        check_program("`salt-call`", status, program="salt")

    def _arguments(self) -> Iterator[str]:
        config = self.config
        folder = f"{config.salt_bin_dir.rstrip('/')}/" if config.salt_bin_dir else ""
        yield f"{self._root}{folder}salt-call --local"
        yield f"state.sls {config.custom_state}" if config.custom_state else "state.highstate"
        if config.minion_config is None:
            yield f"--file-root={config.remote_state_tree or self.places.states}"
            yield f"--pillar-root={config.remote_pillar_roots or self.places.pillars}"
        if not config.no_exit_on_failure:
            yield "--retcode-passthrough"
        yield f"-l {config.log_level}"
        if config.salt_call_args:
            yield config.salt_call_args
