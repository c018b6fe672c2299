"""Provisioners and post-processors whose values are written otherwise today."""

from __future__ import annotations

import re
from typing import Final

from vmforge.template.fixes.fixer import Fixer, Part
from vmforge.template.fixes.renames import removed
from vmforge.template.fixes.tree import Json, Object

_POWERSHELL_ESCAPE = re.compile(r"`([$\"'`])")
_ELEVATED: Final = ("elevated_user", "elevated_password")
_VAGRANT_PROVIDERS: Final = ("aws", "digitalocean", "virtualbox", "vmware")


def _unescaped(value: Json) -> Json:
    return _POWERSHELL_ESCAPE.sub(r"\1", value) if isinstance(value, str) else value


def _powershell(provisioner: Object) -> Object:
    """Escapes were for the user to write once; now Packer writes them."""
    fixed: dict[str, Json] = {
        option: _unescaped(value) if option in _ELEVATED else value for option, value in provisioner.items()
    }
    variables = provisioner.get("environment_vars")
    if isinstance(variables, list):
        fixed["environment_vars"] = [_unescaped(variable) for variable in variables]
    return fixed


def _vagrant_override(post_processor: Object) -> Object:
    """What stands in `override` already stays, unless a provider's own options replace it."""
    own: Object = {
        provider: post_processor[provider] for provider in _VAGRANT_PROVIDERS if provider in post_processor
    }
    if not own:
        return post_processor
    override = post_processor.get("override")
    kept = override if isinstance(override, dict) else {}
    return {**removed(*_VAGRANT_PROVIDERS)(post_processor), "override": {**kept, **own}}


def _docker_tags(post_processor: Object) -> Object:
    """The old tags first, each once."""
    old, new = (_texts(post_processor.get(option)) for option in ("tag", "tags"))
    if "tag" not in post_processor or old is None or new is None:
        return post_processor
    tags: list[Json] = [*dict.fromkeys((*old, *new))]
    return {**removed("tag")(post_processor), "tags": tags}


def _texts(value: Json) -> list[str] | None:
    """A list of texts, which may be written as one text with commas; None for anything else."""
    match value:
        case None:
            return []
        case str():
            return [text.strip() for text in value.split(",")]
        case list():
            texts = [item for item in value if isinstance(item, str)]
            return texts if len(texts) == len(value) else None
    return None


POWERSHELL_ESCAPES = Fixer(
    "powershell-escapes",
    "takes PowerShell's escapes out of environment variables, elevated user and password",
    _powershell,
    ("powershell",),
    Part.PROVISIONERS,
)
VAGRANT_OVERRIDE = Fixer(
    "pp-vagrant-override",
    "moves options for one provider of `vagrant` into `override`",
    _vagrant_override,
    ("vagrant",),
    Part.POST_PROCESSORS,
)
DOCKER_TAGS = Fixer(
    "docker-tag-tags",
    "replaces `tag` of `docker-tag` with the list `tags`",
    _docker_tags,
    ("docker-tag",),
    Part.POST_PROCESSORS,
)
