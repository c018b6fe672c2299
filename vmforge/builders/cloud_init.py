"""cloud-init: the block of options, the seed that a guest reads them from, and the wait for it to be done.

The seed is NoCloud's: https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from vmforge.errors import CommandFailed, CommunicatorError, VmforgeError
from vmforge.sdk import BuildContext, Communicator, Config, Problem, option
from vmforge.sdk.late import check_late

# Where the files of a seed are on the embedded server.
_FOLDER: Final = "/cloud-init/"
_LABEL = "cidata"
_JINJA = "## template: jinja"
_FIELDS = ("Name", "SSHPublicKey")
_FIELDS_OF_ISO = (*_FIELDS, "HTTPIP", "HTTPPort")
_NO_USER_DATA = "#cloud-config\n{}\n"
# Long enough for a guest that cloud-init itself restarts (`power_state`), whatever emulates it.
_RESTART_LIMIT = 600.0

_ABSENT = 99
_WAIT = f"command -v cloud-init >/dev/null || exit {_ABSENT}; cloud-init status --wait"
# Since 23.4: https://docs.cloud-init.io/en/latest/explanation/return_codes.html
_DEGRADED = 2
# What cloud-init says of itself when it found no seed, or was told to do nothing.
_IDLE = ("disabled", "not run", "not started")
# A heading in its report, with what stands in the same line
_SECTION = re.compile(r"([a-z_]+):(?: .*)?")
_LOG = "/var/log/cloud-init-output.log"
# Readable by root and the group `adm`.
_END_OF_LOG = f"tail -n 20 {_LOG} 2>/dev/null || sudo -n tail -n 20 {_LOG} 2>/dev/null"


class SeedTransport(StrEnum):
    """How the guest gets the seed: on a disc, or from the embedded HTTP server."""

    ISO = "iso"
    HTTP = "http"


@dataclass(frozen=True, kw_only=True)
class CloudInit(Config):
    """The block `cloud_init`."""

    user_data: str = option(
        "",
        late=True,
        help="The user data (`#cloud-config ...`, a script); knows `{{ .Name }}`, `{{ .SSHPublicKey }}` and, "
        "on a disc, `{{ .HTTPIP }}` and `{{ .HTTPPort }}`. A Jinja template of cloud-init's stays as it is.",
        default_text="none",
    )
    meta_data: str = option(
        "",
        late=True,
        help="The meta data, as YAML; knows the same.",
        default_text="an instance id, the name, and the build's SSH key for the image's default user",
    )
    network_config: str = option("", late=True, help="The network's configuration, as YAML; knows the same.")
    seed: SeedTransport = option(
        SeedTransport.ISO, help="How the guest gets it: on a disc (`iso`) or over `http`."
    )
    wait: bool = option(True, help="Wait until cloud-init is done before the first provisioner runs.")


@dataclass(frozen=True, kw_only=True)
class CloudInitOptions(Config):
    """Options of every builder whose guests may have cloud-init."""

    cloud_init: CloudInit | None = option(
        None, help="Set up a guest that has cloud-init, such as a cloud image started with `disk_image`."
    )

    @property
    def seeds_by(self) -> SeedTransport | None:
        return self.cloud_init.seed if self.cloud_init is not None else None


def check_cloud_init(options: CloudInitOptions) -> Iterable[Problem]:
    """What is wrong with the block, judged by its values."""
    block = options.cloud_init
    if block is None:
        return
    fields = _FIELDS_OF_ISO if block.seed is SeedTransport.ISO else _FIELDS
    for name in ("user_data", "meta_data", "network_config"):
        text = getattr(block, name)
        if text.startswith(_JINJA):
            continue
        yield from check_late(text, fields, "cloud_init")
        if "{{" not in text and (complaint := _yaml_complaint(name, text)):
            yield Problem(complaint, "cloud_init")
    known = ("#", "Content-Type:", "MIME-Version:", "From ")
    if block.user_data and not block.user_data.lstrip().startswith(known):
        hint = "begin it with `#cloud-config`, or `#!/bin/sh` for a script"
        yield Problem("cloud-init would not know what `user_data` is", "cloud_init", hint=hint, warning=True)


def seed_files(block: CloudInit, context: BuildContext, fields: Mapping[str, object]) -> dict[str, str]:
    """The seed's files by name. `fields` are what `{{ }}` in the texts may use. Raises `VmforgeError` for a
    text that cloud-init could not read: nobody could log in to the guest to see that."""

    def rendered(name: str) -> str:
        text: str = getattr(block, name)
        if text.startswith(_JINJA):
            return text
        text = context.render(text, {**context.data, **fields})
        if complaint := _yaml_complaint(name, text):
            raise VmforgeError(f"`cloud_init`: {complaint}")
        return text

    files = {"user-data": rendered("user_data") or _NO_USER_DATA}
    if block.network_config:
        files["network-config"] = rendered("network_config")
    files["meta-data"] = rendered("meta_data") or _meta_data(files, fields)
    return files


def _yaml_complaint(name: str, text: str) -> str:
    """Why a text that is to be YAML is none; empty when it is, or need not be."""
    if name == "user_data" and text.lstrip().partition("\n")[0].strip() != "#cloud-config":
        return ""
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        place = f" in line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        return f"`{name}` is no YAML: {error.problem}{place}"
    except yaml.YAMLError as error:
        return f"`{name}` is no YAML: {error}"
    return "" if found is None or isinstance(found, dict) else f"`{name}` is no map of keys and values"


def _meta_data(files: Mapping[str, str], fields: Mapping[str, object]) -> str:
    """YAML that is JSON as well. Another seed is another instance: cloud-init then does its work again."""
    key = str(fields.get("SSHPublicKey", ""))
    digest = hashlib.sha256("\0".join([key, *files.values()]).encode()).hexdigest()
    data: dict[str, object] = {"instance-id": f"vmforge-{digest[:16]}", "local-hostname": fields["Name"]}
    if key:
        data["public-keys"] = [key]
    return json.dumps(data, indent=2) + "\n"


def make_seed(options: CloudInitOptions, context: BuildContext, fields: Mapping[str, object]) -> Path | None:
    """The seed's disc, in the build's scratch folder; None when the template wants none."""
    from vmforge.media.cdrom import write_cdrom

    block = options.cloud_init
    if block is None or block.seed is not SeedTransport.ISO:
        return None
    target = context.scratch.absolute() / "seed.iso"
    content = seed_files(block, context, fields)
    write_cdrom(target, files=(), content=content, label=_LABEL, base_dir=Path.cwd(), ui=context.ui)
    return target


def served_seed(
    options: CloudInitOptions, context: BuildContext, fields: Mapping[str, object]
) -> dict[str, str]:
    """The seed for the embedded server, by path; empty when it is not to have one."""
    block = options.cloud_init
    if block is None or block.seed is not SeedTransport.HTTP:
        return {}
    files = seed_files(block, context, fields)
    # asked for by cloud-init before it takes the rest
    files.setdefault("vendor-data", "")
    return {_FOLDER + name: text for name, text in files.items()}


def seed_arguments(options: CloudInitOptions, address: str) -> tuple[tuple[str, str], ...]:
    """The arguments of QEMU that tell the guest of a seed at `address` (host and port): cloud-init reads the
    machine's serial number."""
    if options.seeds_by is not SeedTransport.HTTP:
        return ()
    return (("-smbios", f"type=1,serial=ds=nocloud-net;s=http://{address}{_FOLDER}"),)


def await_cloud_init(context: BuildContext, communicator: Communicator) -> None:
    """Wait until cloud-init in the guest has done its work. Raises `CommandFailed` when it could not."""
    try:
        status, state = _wait(communicator)
    except CommunicatorError:
        context.ui.message("the guest restarts; waiting for it")
        communicator.reconnect(_RESTART_LIMIT)
        status, state = _wait(communicator)
    if status == _ABSENT:
        context.ui.warn("the guest has no cloud-init: nobody read the seed")
    elif state in _IDLE:
        context.ui.warn(f"cloud-init did nothing in the guest (status: {state}): nobody read the seed")
    elif status != 0:
        _explain(context, communicator, status)


def _wait(communicator: Communicator) -> tuple[int, str]:
    """The exit status, and what cloud-init calls its state: `done`, `error`, `disabled`."""
    lines: list[str] = []
    status = communicator.run(f"sh -c '{_WAIT}'", lambda line, error: lines.append(line))
    states = [line.partition(":")[2].strip() for line in lines if line.startswith("status:")]
    return status, states[-1] if states else ""


def _explain(context: BuildContext, communicator: Communicator, status: int) -> None:
    """Show what went wrong; raises `CommandFailed`, unless cloud-init got over it."""
    report: list[str] = []

    def show(line: str, error: bool) -> None:
        context.ui.output(line, error=error)

    def take(line: str, error: bool) -> None:
        report.append(line)
        show(line, error)

    communicator.run("cloud-init status --long", take)
    if status == _DEGRADED:
        context.ui.warn("cloud-init went on after errors of its own; the lines above name them")
        return
    communicator.run(_END_OF_LOG, show)
    reason = "; ".join(reported_errors(report)) or f"status {status}"
    hint = (
        f"the lines above are its report and the end of `{_LOG}`; `-on-error=ask` keeps the guest to look at"
    )
    raise CommandFailed(f"cloud-init failed in the guest: {reason}", status=status, hint=hint)


def reported_errors(report: Iterable[str]) -> list[str]:
    """The errors in what `cloud-init status --long` prints: what is below `errors:`, before 23.4 below
    `detail:`."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in report:
        if match := _SECTION.fullmatch(line):
            section = match[1]
        elif text := line.strip().removeprefix("- "):
            found.setdefault(section, []).append(text)
    return found.get("errors") or found.get("detail") or []
