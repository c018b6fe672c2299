"""The Vagrantfile of the machine that a box is made of."""

from __future__ import annotations

from collections.abc import Mapping

from vmforge.builders.vagrant.config import VagrantConfig
from vmforge.errors import HostError
from vmforge.sdk import BuildContext

# The machine's name in the Vagrantfile; Packer's templates define one of that name.
MACHINE = "source"


def machine_file(config: VagrantConfig, context: BuildContext, box: str) -> str:
    """The text; the template's own, where there is one. Raises `HostError` when that cannot be used."""
    own = config.own_template
    if own is None:
        return _text(config, box)
    try:
        return context.render(own.expanduser().read_text(encoding="utf-8"), _fields(config, box))
    except (OSError, ValueError) as error:
        raise HostError(f"the template `{own}` cannot be used: {error}") from error


def _fields(config: VagrantConfig, box: str) -> Mapping[str, object]:
    return {
        "BoxName": box,
        "SourceBox": box,
        "SyncedFolder": config.synced_folder,
        "InsertKey": config.insert_key,
    }


def _text(config: VagrantConfig, box: str) -> str:
    folder = f'{_quoted(config.synced_folder)}, "/vagrant"'
    synced = folder if config.synced_folder else '".", "/vagrant", disabled: true'
    version = [f"    source.vm.box_version = {_quoted(config.box_version)}"] if config.box_version else []
    lines = [
        'Vagrant.configure("2") do |config|',
        f'  config.vm.define "{MACHINE}" do |source|',
        f"    source.vm.box = {_quoted(box)}",
        *version,
        "  end",
        f"  config.ssh.insert_key = {str(config.insert_key).lower()}",
        f"  config.vm.synced_folder {synced}",
        "end",
    ]
    return "\n".join((*lines, ""))


def _quoted(text: str) -> str:
    """A string of Ruby."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("#", "\\#") + '"'
