"""What an installer's image is: system, version, processor and kind, told by its labels and by files in it.

The signs of each publisher are rows of a table (iso_signs.py): where they stand, and how to read them. What
Windows says stands in a WIM file (wim.py), and what Anaconda's family says in `.treeinfo`.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vmforge.errors import VmforgeError
from vmforge.media.iso import IsoImage
from vmforge.media.iso_signs import (
    APPLICATION,
    ARCHITECTURES,
    NATIVE_ARCHITECTURES,
    OTHER_NAMES,
    SIGNS,
    TREE_FAMILIES,
    VARIANTS,
    VOLUME,
    WINDOWS_CLIENTS,
    WINDOWS_SERVERS,
    Sign,
)
from vmforge.media.wim import WindowsImage, read_images

# What is read of an image, besides its labels; short texts all of them.
IDENTIFYING_FILES: Final = (
    ".disk/info",
    ".treeinfo",
    "media.1/media",
    "media.1/products",
    ".alpine-release",
    "arch/version",
    "bin/freebsd-version",
)
_WIM_FILES: Final = ("sources/install.wim", "sources/install.esd", "sources/install.swm", "sources/boot.wim")
_LONGEST_TEXT: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class IsoTraits:
    """All that an image is told by. `texts` are those of IDENTIFYING_FILES that it has, `paths` all of its
    files, `windows` the images in its WIM file."""

    volume_id: str
    application_id: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    paths: frozenset[str] = frozenset()
    windows: tuple[WindowsImage, ...] = ()


@dataclass(frozen=True, slots=True)
class IsoIdentity:
    """What an image installs; everything is empty where it is unknown.

    `system` is a word (`debian`, `windows-server`), `name` its publisher's ("Debian", "Windows Server").
    `version` is the full one (`12.5`), `arch` libvirt's name of the processor, `variant` the kind of medium
    (`netinst`, `dvd`, `server`). `editions` are those of Windows that can be chosen from.
    """

    system: str = ""
    name: str = ""
    version: str = ""
    codename: str = ""
    arch: str = ""
    variant: str = ""
    editions: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        return bool(self.system)

    @property
    def title(self) -> str:
        """For people: `Debian 12.5 amd64 netinst`."""
        if not self.known:
            return "unknown"
        arch = NATIVE_ARCHITECTURES.get(self.system, {}).get(self.arch, self.arch)
        return " ".join(filter(None, (self.name, self.version, arch, self.variant)))

    @property
    def config_names(self) -> tuple[str, ...]:
        """What a boot config for it may be called, the likeliest first: `debian-12.5`, `debian-12`, ..."""
        parts = self.version.split(".") if self.version else []
        versions = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
        if self.system == "sles" and len(parts) == 2 and int(parts[0]) < 16:
            versions.insert(0, f"{parts[0]}-sp{parts[1]}")
        names = (self.system, *OTHER_NAMES.get(self.system, ()))
        found = [f"{name}-{version}" for version in versions for name in names]
        return (*found, *names) if self.known else ()


def read_traits(image: IsoImage) -> IsoTraits:
    """What an open image is told by. Raises VmforgeError when it cannot be read."""
    paths = frozenset(image.files())
    texts = {path: _text(image, path) for path in IDENTIFYING_FILES if path in image}
    windows: tuple[WindowsImage, ...] = ()
    for path in _WIM_FILES:
        if path in image and not windows:
            windows = _windows_images(image, path)
    return IsoTraits(image.volume_id, image.application_id, texts, paths, windows)


def identify(traits: IsoTraits) -> IsoIdentity:
    """What an image with these traits installs; nothing known when no sign fits."""
    if traits.windows:
        return _windows(traits)
    found = list(_readings(traits))
    if not found:
        return IsoIdentity()
    # several signs of one system complete each other
    best = found[0]
    for other in found[1:]:
        if other.system == best.system:
            best = replace(
                best,
                version=best.version or other.version,
                codename=best.codename or other.codename,
                arch=best.arch or other.arch,
                variant=best.variant or other.variant,
            )
    return best


def identify_image(image: IsoImage) -> IsoIdentity:
    """What an open image installs. Raises VmforgeError when it cannot be read."""
    return identify(read_traits(image))


def _text(image: IsoImage, path: str) -> str:
    with image.open(path) as file:
        return file.read(_LONGEST_TEXT).decode("utf-8", errors="replace")


def _windows_images(image: IsoImage, path: str) -> tuple[WindowsImage, ...]:
    try:
        with image.open(path) as file:
            return tuple(read_images(file))
    except (ValueError, VmforgeError):
        return ()  # the next file may tell, or else the label


# -- Windows ------------------------------------------------------------------------------------


def _windows(traits: IsoTraits) -> IsoIdentity:
    installed = [image for image in traits.windows if "WindowsPE" not in (image.kind, image.edition)]
    # with nothing but the setup program there, the label alone says for what
    labelled = {reading.system for reading in _labelled(traits)}
    first = (installed or traits.windows)[0]
    is_server = first.kind.startswith("Server") or (not installed and "windows-server" in labelled)
    system, name = ("windows-server", "Windows Server") if is_server else ("windows", "Windows")
    versions = WINDOWS_SERVERS if is_server else WINDOWS_CLIENTS
    version = next((version for build, version in versions if first.build >= build), "")
    editions = tuple(image.name for image in installed if image.name)
    evaluation = "evaluation" if first.edition.lower().endswith("eval") else ""
    return IsoIdentity(system, name, version, "", first.arch, evaluation, editions)


# -- all others ---------------------------------------------------------------------------------


def _readings(traits: IsoTraits) -> Iterator[IsoIdentity]:
    """What each sign that fits says, the most telling first."""
    tree = _treeinfo(traits.texts.get(".treeinfo", ""))
    if tree is not None:
        # the label alone says whether it is the large image or the small one
        labelled = (reading.variant for reading in _labelled(traits) if reading.system == tree.system)
        variant = next(filter(None, labelled), tree.variant)
        yield replace(tree, variant=variant)
    yield from _labelled(traits)
    yield from _by_paths(traits.paths)


def _labelled(traits: IsoTraits) -> Iterator[IsoIdentity]:
    """What the signs that fit say."""
    readings = (_read(sign, traits) for sign in SIGNS)
    return (reading for reading in readings if reading is not None)


def _read(sign: Sign, traits: IsoTraits) -> IsoIdentity | None:
    match = re.search(sign.pattern, _words(traits, sign.place), re.IGNORECASE | re.MULTILINE)
    if match is None:
        return None
    fields = {name: value for name, value in match.groupdict().items() if value}
    version = fields.get("version") or ".".join(filter(None, (fields.get("major"), fields.get("minor"))))
    return IsoIdentity(
        sign.system,
        sign.name,
        _version(sign.system, version),
        fields.get("codename", "").lower(),
        _architecture(fields.get("arch", "")),
        _variant(fields.get("variant", "")),
    )


def _by_paths(paths: Iterable[str]) -> Iterator[IsoIdentity]:
    """What the places of files tell: the processor, where no label does."""
    present = set(paths)
    for arch in ("x86_64", "aarch64"):
        if f"arch/boot/{arch}/vmlinuz-linux" in present:
            yield IsoIdentity("arch", "Arch Linux", arch=arch)
    if {"bootmgr", "sources/boot.wim"} <= {path.lower() for path in present}:
        yield IsoIdentity("windows", "Windows")


def _treeinfo(text: str) -> IsoIdentity | None:
    """What `.treeinfo` says (https://release-engineering.github.io/productmd/treeinfo-1.2.html)."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    family = parser.get("general", "family", fallback="") or parser.get("release", "name", fallback="")
    known = TREE_FAMILIES.get(family.lower().strip())
    if known is None:
        return None
    version = parser.get("general", "version", fallback="") or parser.get("release", "version", fallback="")
    arch = parser.get("general", "arch", fallback="") or parser.get("tree", "arch", fallback="")
    variant = parser.get("general", "variant", fallback="")
    if known[0] == "centos" and "stream" in parser.get("general", "name", fallback="").lower():
        known = TREE_FAMILIES["centos stream"]
    return IsoIdentity(*known, version.strip(), "", _architecture(arch), _variant(variant))


def _words(traits: IsoTraits, place: str) -> str:
    if place == VOLUME:
        return traits.volume_id
    return traits.application_id if place == APPLICATION else traits.texts.get(place, "")


def _version(system: str, text: str) -> str:
    # Debian's media write 12.5.0 for 12.5
    return text.removesuffix(".0") if system == "debian" and text.count(".") == 2 else text.rstrip(".")


def _architecture(text: str) -> str:
    return ARCHITECTURES.get(text.lower(), text.lower())


def _variant(text: str) -> str:
    plain = text.lower().strip()
    return VARIANTS.get(plain, "dvd" if plain.isdecimal() else plain)
