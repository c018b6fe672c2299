"""Scripts, their variables and their exit statuses: what `shell` and `shell-local` have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import CommandFailed
from vmforge.sdk import BuildContext, Config, Problem, option
from vmforge.sdk.values import can_be_path

DEFAULT_SHEBANG = "/bin/sh -e"


@dataclass(frozen=True, kw_only=True)
class ScriptOptions(Config):
    """What to run, with which variables, and which exit statuses are good."""

    inline: tuple[str, ...] = option((), help="Commands that are run as one script.")
    script: str = option("", help="The path of a script.")
    scripts: tuple[str, ...] = option((), help="The paths of scripts, run in this order.")
    environment_vars: tuple[str, ...] = option((), help="Variables for the scripts, each as `NAME=VALUE`.")
    env: Mapping[str, str] | None = option(
        None, help="Variables for the scripts by name; they win over `environment_vars`."
    )
    env_var_format: str = option(
        "", help="How `{{ .Vars }}` writes a variable: `%s` for its name, then for its value."
    )
    valid_exit_codes: tuple[int, ...] = option((0,), help="The exit statuses that mean success.")

    @property
    def paths(self) -> tuple[Path, ...]:
        """The script files, in the order of running."""
        return tuple(Path(path) for path in (*self.scripts, *([self.script] if self.script else [])))


@dataclass(frozen=True, kw_only=True)
class ScriptConfig(ScriptOptions):
    """The same for scripts of Unix, whose first line names what runs them."""

    inline_shebang: str = option(
        DEFAULT_SHEBANG, help="What stands after `#!` in the script made of `inline`."
    )

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that are run as one script."""
        return self.inline

    @property
    def inline_text(self) -> str:
        """The script that the commands make."""
        shebang = f"#!{self.inline_shebang}\n" if self.inline_shebang else ""
        return shebang + "".join(f"{command}\n" for command in self.commands)


def check_sources(
    given: Mapping[str, bool], paths: Iterable[Path], option_of_paths: str
) -> Iterator[Problem]:
    """That exactly one of the options in `given` is set, and that the script files exist."""
    chosen = [name for name, is_set in given.items() if is_set]
    names = [f"`{name}`" for name in given]
    listed = f"{', '.join(names[:-1])} or {names[-1]}"
    if not chosen:
        yield Problem("there is nothing to run", hint=f"set {listed}")
    if len(chosen) > 1:
        both = " and ".join(f"`{name}`" for name in chosen)
        yield Problem(
            f"{both} are set, but only one of them can be", option=chosen[1], hint=f"set one of {listed}"
        )
    for path in paths:
        can_be = can_be_path(str(path))
        if not (can_be and path.is_file()):
            what = "is a folder, not a script" if can_be and path.is_dir() else "does not exist"
            hint = f"relative paths start at the current folder, `{Path.cwd()}`"
            yield Problem(
                f"script `{path}` {what}", option=option_of_paths, hint="" if path.is_absolute() else hint
            )


def check_variables(config: ScriptOptions) -> Iterator[Problem]:
    """That the variables and their format can be written."""
    for pair in config.environment_vars:
        name, equals, _ = pair.partition("=")
        if not name or not equals:
            summary = f"`{name}` is not a variable: expected `NAME=VALUE`"
            yield Problem(summary, option="environment_vars", hint="or use the map `env`")
    for name in config.env or {}:
        if not name or "=" in name:
            yield Problem(f"`{name}` cannot be the name of a variable", option="env")
    if config.env_var_format and config.env_var_format.replace("%%", "").count("%s") != 2:
        summary = f"`{config.env_var_format}` must hold `%s` twice: for a variable's name and for its value"
        yield Problem(summary, option="env_var_format")


def variables_of(config: ScriptOptions, context: BuildContext) -> dict[str, str]:
    """All variables that a script on this machine gets, by name."""
    return dict(sorted((context.environment() | _own_variables(config)).items()))


def guest_variables_of(config: ScriptOptions, context: BuildContext) -> dict[str, str]:
    """All variables that a script in the guest gets, by name. One that names a proxy of its own, or the empty
    one, is told of none but that."""
    own = _own_variables(config)
    chooses = any(name.lower() in ("http_proxy", "https_proxy") for name in own)
    given = context.environment() if chooses else context.guest_environment()
    return dict(sorted((given | own).items()))


def _own_variables(config: ScriptOptions) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in config.environment_vars)
    return {name: value for name, _, value in pairs} | dict(config.env or {})


def write_variables(variables: Mapping[str, str], format: str) -> str:
    """The variables as shell text. Values stand between single quotes, which they are escaped for."""
    texts = []
    for name, value in variables.items():
        quoted = value.replace("'", "'\"'\"'")
        before, between, after = (part.replace("%%", "%") for part in format.split("%s", 2))
        texts.append(before + name + between + quoted + after)
    return "".join(texts)


def check_status(title: str, status: int, valid: tuple[int, ...]) -> None:
    """Raise `CommandFailed` when a script's exit status is not among the good ones."""
    if status in valid:
        return
    good = "" if valid == (0,) else f", not with {' or '.join(map(str, valid))}"
    message = f"{title} ended with exit status {status}{good}"
    if status < 0:
        message = f"{title} was killed by signal {-status}"
    raise CommandFailed(message, status=status, hint=explain_status(status))


def explain_status(status: int) -> str:
    """What to try after an exit status."""
    if status == 126:
        return (
            "126 means that the script was found but cannot be executed: check its `#!` line and its "
            "permissions, and that its folder is not mounted `noexec`"
        )
    if status == 127:
        return (
            "127 means that a command was not found: the last lines above name it; if they name the "
            "script itself, the interpreter in its `#!` line does not exist"
        )
    if status == 255:
        return "255 is what `ssh` answers when its connection fails, and what `exit -1` becomes"
    if status > 128:
        killed = f"statuses above 128 mostly mean a signal, here {status - 128}"
        return f"{killed}: somebody may have killed the command, or the machine ran out of memory"
    return (
        "the last lines above say why; `-on-error=ask` keeps the machine to look at, and "
        "`valid_exit_codes` accepts other statuses"
    )
