"""Which options of a component are blocks in HCL."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from vmforge.errors import VmforgeError
from vmforge.sdk.decoding import block_type
from vmforge.sdk.options import Config, Option, options_of, without_none
from vmforge.sdk.registry import Kind, Registry, load_claim
from vmforge.template.json.syntax import JsonArray, JsonConstant, JsonNode, JsonNumber, JsonObject, JsonString
from vmforge.template.upgrade.tokens import is_identifier

# Blocks of Packer's plugins whose members are all plain, so that they look like maps in JSON.
_PLAIN_BLOCKS: Final = frozenset(
    {
        "assume_role",
        "boot_iso",
        "content_library_destination",
        "efi_config",
        "export",
        "linux_options",
        "network_interface",
        "plan_info",
        "shared_image_gallery",
        "spot",
        "tpm_config",
        "vault_aws_engine",
        "vga",
    }
)


@dataclass(frozen=True)
class Options:
    """The options of a component or of a block in it. Of a component that is not installed none is known:
    then Packer's rule holds, by which lists of objects are blocks."""

    table: Mapping[str, Option] = field(default_factory=dict)

    def blocks(self, name: str, node: JsonNode) -> list[JsonObject] | None:
        """The objects that stand as blocks for an option; None when it is an argument."""
        option = self.table.get(name)
        if option is not None and block_type(option.type)[0] is None:
            return None
        objects = _objects(node)
        if objects is None or not all(is_identifier(m.name.value) for o in objects for m in o.members):
            return None
        if option is not None or isinstance(node, JsonArray) or name in _PLAIN_BLOCKS:
            return objects
        nested = [m for m in objects[0].members if isinstance(m.value, JsonObject | JsonArray)]
        return objects if nested else None

    def inside(self, name: str) -> Options:
        """The options of a block."""
        option = self.table.get(name)
        member = block_type(option.type)[0] if option is not None else None
        return Options(options_of(member)) if member is not None else Options()

    def is_list_of_one(self, name: str, node: JsonNode) -> bool:
        """Whether a single value stands where a list belongs, which only JSON allows."""
        option = self.table.get(name)
        if option is None or not all(typing.get_origin(t) is tuple for t in without_none(option.type)):
            return False
        if isinstance(node, JsonString):
            # what lies between commas becomes members, and an empty text becomes none
            return bool(node.value) and "{{" not in node.value and "," not in node.value
        return isinstance(node, JsonNumber) or (isinstance(node, JsonConstant) and node.value is not None)


def _objects(node: JsonNode) -> list[JsonObject] | None:
    if isinstance(node, JsonObject):
        return [node]
    if not isinstance(node, JsonArray):
        return None
    objects = [item for item in node.items if isinstance(item, JsonObject)]
    return objects if objects and len(objects) == len(node.items) else None


def may_have_blocks(component: JsonObject) -> bool:
    """Whether an option of a component is an object or a list of objects, which may mean blocks."""
    return any(m.name.value.lower() != "override" and _objects(m.value) for m in component.members)


def options_for(kind: Kind, name: str, registry: Registry) -> Options | None:
    """The options of a component, with those of the built-in communicators for a builder; None when it is not
    installed or cannot be loaded."""
    if not registry.has(kind, name):
        return None
    try:
        types: list[type[Config]] = [registry.load(kind, name).config_type]
        if kind is Kind.BUILDER:
            connectors = [claim for claim in registry.claims(Kind.COMMUNICATOR) if claim.built_in]
            types += [load_claim(claim).config_type for claim in connectors]
    except VmforgeError:
        return None
    return Options(dict(_named_options(types)))


def _named_options(types: Iterable[type[Config]]) -> Iterable[tuple[str, Option]]:
    for config_type in types:
        for option in options_of(config_type).values():
            for name in (option.name, *option.info.aliases):
                yield name, option
