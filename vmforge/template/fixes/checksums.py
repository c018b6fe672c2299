"""The checksum of an ISO, which is one option today: `TYPE:DIGEST`, `file:URL` or `none`."""

from __future__ import annotations

import re

from vmforge.template.fixes.fixer import Fixer
from vmforge.template.fixes.renames import removed
from vmforge.template.fixes.tree import Object

_PREFIXED = re.compile(r"(?:md5|sha1|sha224|sha256|sha384|sha512|file):")


def _digest_of_type_md5(builder: Object) -> Object:
    digest = builder.get("iso_md5")
    if not isinstance(digest, str):
        return builder
    rest = removed("iso_md5")(builder)
    return {**rest, "iso_checksum": digest, "iso_checksum_type": "md5"}


def _one_checksum(builder: Object) -> Object:
    fixed = removed("iso_checksum_type", "iso_checksum_url")(builder)
    checksum = _joined(_text(builder, "iso_checksum_type"), _text(builder, "iso_checksum_url"), builder)
    return {**fixed, "iso_checksum": checksum} if checksum else fixed


def _joined(type_: str, url: str, builder: Object) -> str:
    """The new option; empty when the old ones say nothing that it does not say."""
    if type_.lower() == "none":
        return "none"
    if url:
        return f"file:{url}"
    digest = _text(builder, "iso_checksum")
    if not type_ or not digest or _PREFIXED.match(digest):
        return ""
    return f"{type_}:{digest}"


def _text(builder: Object, option: str) -> str:
    value = builder.get(option)
    return value if isinstance(value, str) else ""


ISO_MD5 = Fixer("iso-md5", "replaces `iso_md5` with `iso_checksum`", _digest_of_type_md5)
ISO_CHECKSUM = Fixer(
    "iso-checksum-type-and-url",
    "puts `iso_checksum_type` and `iso_checksum_url` into `iso_checksum`",
    _one_checksum,
)
