"""The options of the `digitalocean` builder, and what can be said about them without asking DigitalOcean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.builders.digitalocean.account import DigitalOceanAccount, check_account
from vmforge.sdk import Duration, Problem, option

# https://docs.digitalocean.com/reference/api/digitalocean/#tag/Tags
_TAG = re.compile(r"[A-Za-z0-9_:-]{1,255}")
# A host's name (RFC 1123, section 2.1).
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_LARGEST_USER_DATA = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class DigitalOceanConfig(DigitalOceanAccount):
    """All options of the builder."""

    region: str = option(help="The region to build in, as in `nyc3`.", affects_image=False)
    size: str = option(help="The droplet's size, as in `s-1vcpu-1gb`.")
    image: str = option(help="The image to start from: its slug, as in `debian-12-x64`, or its id.")
    snapshot_name: str = option("", help="The snapshot's name.", default_text="`packer-` and the time")
    snapshot_regions: tuple[str, ...] = option((), help="More regions to have the snapshot in.")
    snapshot_tags: tuple[str, ...] = option((), help="The snapshot's tags.")
    wait_snapshot_transfer: bool = option(
        True, help="Wait until the snapshot is in all regions.", affects_image=False
    )
    transfer_timeout: Duration = option(Duration(1800), help="How long that may take.", affects_image=False)
    snapshot_timeout: Duration = option(
        Duration(3600), help="How long the snapshot may take.", affects_image=False
    )
    state_timeout: Duration = option(
        Duration(360), help="How long the droplet may take to start, or to stop.", affects_image=False
    )
    droplet_name: str = option(
        "", help="The droplet's name, and its host's.", default_text="one that tells whose build it is"
    )
    tags: tuple[str, ...] = option((), help="The droplet's tags.", affects_image=False)
    private_networking: bool = option(False, help="Have a private address.", affects_image=False)
    ipv6: bool = option(False, help="Have an IPv6 address.", affects_image=False)
    vpc_uuid: str = option("", help="The private network to be in, by its UUID.", affects_image=False)
    connect_with_private_ip: bool = option(False, help="Connect to the private address.", affects_image=False)
    monitoring: bool = option(False, help="Install DigitalOcean's monitoring.")
    droplet_agent: bool | None = option(
        None, help="Install DigitalOcean's agent: `true` fails where that does not work, `false` does not."
    )
    user_data: str = option("", help="What cloud-init reads as the droplet starts.")
    user_data_file: Path | None = option(None, help="The same, from a file.")
    ssh_key_id: int = option(
        0,
        help="A key of your account to let in, which goes with `ssh_private_key_file`.",
        affects_image=False,
    )


def problems(config: DigitalOceanConfig) -> Iterator[Problem]:
    """Everything that is wrong with a configuration."""
    yield from check_account(config)
    for name in ("region", "size", "image"):
        if not getattr(config, name):
            yield Problem(f"`{name}` is empty", option=name)
    yield from check_tags("tags", config.tags)
    yield from check_tags("snapshot_tags", config.snapshot_tags)
    if config.droplet_name and not _NAME.fullmatch(config.droplet_name):
        hint = "use letters, digits, `-` and `.`"
        yield Problem(f"`{config.droplet_name}` is no name of a host", "droplet_name", hint=hint)
    if config.connect_with_private_ip and not (config.private_networking or config.vpc_uuid):
        hint = "set `private_networking = true`"
        yield Problem(
            "`connect_with_private_ip` needs a private network", "connect_with_private_ip", hint=hint
        )
    if config.user_data and config.user_data_file:
        yield Problem("`user_data` and `user_data_file` are both set", "user_data", hint="keep one of them")
    if config.user_data_file and not config.user_data_file.is_file():
        yield Problem(f"there is no file `{config.user_data_file}`", "user_data_file")
    if len(config.user_data.encode()) > _LARGEST_USER_DATA:
        yield Problem("`user_data` is longer than 64 KiB", "user_data")
    for name in ("transfer_timeout", "snapshot_timeout", "state_timeout"):
        if getattr(config, name).seconds < 0:
            yield Problem(f"`{name}` is negative", name, hint="write a time such as `30m`")


def check_tags(option: str, tags: tuple[str, ...]) -> Iterator[Problem]:
    """That tags can be tags. By what is documented; templates in use have others."""
    for tag in tags:
        if "{{" not in tag and not _TAG.fullmatch(tag):
            hint = "use letters, digits, `:`, `-` and `_`"
            summary = f"`{tag}` may be refused as a tag"
            yield Problem(summary, option=option, hint=hint, warning=True)
