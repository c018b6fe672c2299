"""The guest additions: the disc that suits this VirtualBox, and bringing it into the guest."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Final

from vmforge.builders.iso import IsoOptions
from vmforge.builders.virtualbox.config import AdditionsMode, AdditionsOptions
from vmforge.builders.virtualbox.tool import VBoxManage
from vmforge.sdk import BuildContext, Communicator

_SERVER: Final = "https://download.virtualbox.org/virtualbox"
_PROPERTY: Final = "Default Guest Additions ISO"


def additions_medium(
    config: AdditionsOptions, context: BuildContext, tool: VBoxManage, version: str
) -> IsoOptions | None:
    """Where the disc is, and what it must be; None when the template wants none."""
    if config.guest_additions_mode is AdditionsMode.DISABLE:
        return None
    checksum = f"sha256:{config.guest_additions_sha256}" if config.guest_additions_sha256 else ""
    if config.guest_additions_url:
        url = context.render(config.guest_additions_url, {"Version": version})
        return IsoOptions(iso_url=url, iso_checksum=checksum or "none")
    here = tool.system_property(_PROPERTY)
    if here and Path(here).is_file():
        return IsoOptions(iso_url=here, iso_checksum=checksum or "none")
    folder = f"{_SERVER}/{version}"
    listed = f"file:{folder}/SHA256SUMS"
    url = f"{folder}/VBoxGuestAdditions_{version}.iso"
    return IsoOptions(iso_url=url, iso_checksum=checksum or listed)


def bring_in(
    config: AdditionsOptions,
    context: BuildContext,
    communicator: Communicator,
    disc: Path | None,
    version: str,
) -> None:
    """Tell the guest VirtualBox's version, and upload the disc if that is wanted."""
    if config.virtualbox_version_file:
        communicator.upload(BytesIO(version.encode()), config.virtualbox_version_file)
    if disc is not None and config.guest_additions_mode is AdditionsMode.UPLOAD:
        path = context.render(config.guest_additions_path, {"Version": version})
        context.ui.message(f"uploading the guest additions to `{path}`")
        communicator.upload(disc, path)
