"""The options that both registries of boxes have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vmforge.errors import VmforgeError
from vmforge.images.box.catalog import VERSION
from vmforge.post_processors.output import output_fields
from vmforge.post_processors.vagrant.boxes import Box
from vmforge.sdk import Artifact, BuildContext, Config, Problem, option
from vmforge.sdk.late import check_late

_TAG = re.compile(r"[\w.-]+/[\w.-]+")
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128}
_DOWNLOAD_FIELDS = ("BuildName", "BuilderType", "Provider", "Architecture", "ArtifactId")


@dataclass(frozen=True, kw_only=True)
class BoxUploadConfig(Config):
    """What box is uploaded, as which version."""

    box_tag: str = option(help="The box's name in the registry, as in `acme/debian`.")
    version: str = option(help="The boxes' version, as in `1.2.0`; made when it is not there.")
    version_description: str = option("", help="What changed in the version, in Markdown.")
    no_release: bool = option(False, help="Leave the version to be released later, so that nobody gets it.")
    architecture: str = option(
        "", help="The boxes' architecture as Vagrant names it (`amd64`); else what their metadata says."
    )
    default_architecture: str = option(
        "", help="The architecture that users get whose own has no box; it is noted with that box."
    )
    box_download_url: str = option(
        "",
        help="Where users get the box, if it lies elsewhere: it is registered and not uploaded. Knows "
        "`{{ .Provider }}`, `{{ .Architecture }}` and `{{ .ArtifactId }}`.",
        late=True,
    )
    box_checksum: str = option("", help="The box's digest that users' clients check, as in `sha256:HEX`.")
    no_direct_upload: bool = option(
        False, help="Send the box to the registry itself and not to the storage behind it."
    )

    @property
    def checksum(self) -> tuple[str, str]:
        """The type and the digest of `box_checksum`."""
        kind, _, digest = self.box_checksum.partition(":")
        return kind.lower(), digest.lower()

    @property
    def user_and_name(self) -> tuple[str, str]:
        user, _, name = self.box_tag.partition("/")
        return user, name


def check_upload(config: BoxUploadConfig) -> Iterator[Problem]:
    """All that is wrong with these options."""
    if not _TAG.fullmatch(config.box_tag):
        summary = f"`{config.box_tag}` is not the name of a box"
        yield Problem(summary, option="box_tag", hint="write the owner and the name, as in `acme/debian`")
    if not VERSION.fullmatch(config.version):
        summary = f"`{config.version}` is no version that Vagrant knows"
        yield Problem(summary, option="version", hint="write numbers with dots between them, as in `1.2.0`")
    yield from check_late(config.box_download_url, _DOWNLOAD_FIELDS, "box_download_url")
    kind, digest = config.checksum
    if config.box_checksum and (len(digest) != _DIGITS.get(kind) or re.search("[^0-9a-f]", digest)):
        hint = f"write one of `{'`, `'.join(_DIGITS)}`, a colon, and the digest"
        yield Problem(f"`{config.box_checksum}` is not a checksum", option="box_checksum", hint=hint)


def download_url(config: BoxUploadConfig, box: Box, artifact: Artifact, context: BuildContext) -> str:
    """Where the box lies already; empty when it is to be uploaded."""
    fields = output_fields(context) | {
        "Provider": box.provider,
        "Architecture": box.architecture,
        "ArtifactId": artifact.id,
    }
    return context.render(config.box_download_url, fields)


def architecture_of(config: BoxUploadConfig, box: Box) -> str:
    """Raises `VmforgeError` when neither the options nor the box tell."""
    found = config.architecture or box.architecture
    if not found:
        hint = "set `architecture`, to `amd64` say"
        raise VmforgeError(f"`{box.path}` does not tell its architecture", hint=hint)
    return found
