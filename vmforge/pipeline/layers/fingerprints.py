"""Digests of what a step depends on: options, texts, files and folders."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vmforge.cache import DigestMemory
from vmforge.sdk.options import Config, options_of
from vmforge.sdk.values import Duration, Secret, Size

# Scripts that ask for these depend on them; files larger than this are no scripts.
_BUILD_VARIABLES = (b"PACKER_BUILD_NAME",)
_LARGEST_SCRIPT = 1024 * 1024


@dataclass(frozen=True)
class Fingerprints:
    """Digests for one build. Paths are named as seen from `root`, so that a template can be moved.

    A text that holds one of `secrets` is hashed with the local `key`, so that neither a digest nor a
    list of them is of any use to find the secret out. `portable` digests are those that files have after
    a bundle has carried them: links became what they lead to, and of a mode only the right to run it is left.
    """

    digests: DigestMemory
    root: Path
    key: bytes
    secrets: frozenset[str] = frozenset()
    portable: bool = False

    def of_config(self, config: Config, paths: Iterable[Path] = ()) -> dict[str, str]:
        """The options that affect the image, those left at their default left out, by name. A text that
        names one of `paths` counts as that path."""
        plain = _Plain({str(path): self.name_of(path) for path in paths}, self.name_of)
        found = {}
        for name, option in options_of(type(config)).items():
            value = getattr(config, name)
            if option.info.affects_image and value != option.default:
                text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False)
                found[name] = self._keyed(text) if _holds_secret(value) else self.of_text(text)
        return found

    def of_text(self, text: str) -> str:
        """The digest of a text, which may be JSON."""
        if any(secret and (secret in text or _in_json(secret) in text) for secret in self.secrets):
            return self._keyed(text)
        return hashlib.sha256(text.encode()).hexdigest()

    def of_files(self, paths: Iterable[Path]) -> dict[str, str]:
        """The digest and the mode of every file, and what is in folders too, by its name as seen from
        `root`. What is not there has the digest `missing`."""
        paths = tuple(paths)
        listed = {self.name_of(found): self._of_file(found) for path in paths for found in _below(path)}
        named = {self.name_of(path) for path in paths}
        # what cannot be read is in no bundle, but for what is asked for by name
        return {n: d for n, d in listed.items() if not self.portable or d != "missing" or n in named}

    def name_of(self, path: Path) -> str:
        """How a path is shown and hashed: relative where it is below `root`."""
        whole = path.absolute()
        root = self.root.absolute()
        return str(whole.relative_to(root)) if whole.is_relative_to(root) else str(path)

    def mentions_build(self, config: Config, paths: Iterable[Path]) -> bool:
        """Whether an option or a script asks for the build's name, which then is an input."""
        texts = json.dumps(_Plain({}, str)(config)).encode()
        if any(name in texts for name in _BUILD_VARIABLES):
            return True
        return any(_mentions(file) for path in paths for file in _below(path))

    def _keyed(self, text: str) -> str:
        return "keyed:" + hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()

    def _of_file(self, path: Path) -> str:
        try:
            link = f"-> {path.readlink()} " if path.is_symlink() else ""
            status = path.stat()
            is_folder = stat.S_ISDIR(status.st_mode)
            what = "folder" if is_folder else self._digest(path)
        except OSError:
            return "missing"
        if self.portable:
            return f"{what} runs" if not is_folder and os.access(path, os.X_OK) else what
        return f"{link}{what} {stat.S_IMODE(status.st_mode):o}"

    def _digest(self, path: Path) -> str:
        return self.digests.digests(path, ["sha256"])["sha256"]


@dataclass(frozen=True)
class _Plain:
    """Makes of an option's value what JSON knows. Secrets come in as they are."""

    paths: Mapping[str, str]
    name_of: Callable[[Path], str]

    def __call__(self, value: Any) -> Any:
        if isinstance(value, Secret):
            return value.value
        if isinstance(value, Path):
            return self.name_of(value)
        if isinstance(value, Size):
            return value.bytes
        if isinstance(value, Duration):
            return value.seconds
        if isinstance(value, Config):
            return {item.name: self(getattr(value, item.name)) for item in fields(value)}
        if isinstance(value, Mapping):
            return {str(name): self(item) for name, item in value.items()}
        if isinstance(value, (tuple, list)):
            return [self(item) for item in value]
        if isinstance(value, (frozenset, set)):
            return sorted(json.dumps(self(item), sort_keys=True) for item in value)
        if isinstance(value, str) and value and str(Path(value)) in self.paths:
            # `DIR/` means something else than `DIR`
            return self.paths[str(Path(value))] + ("/" if value.endswith("/") else "")
        return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Config):
        return any(_holds_secret(getattr(value, item.name)) for item in fields(value))
    if isinstance(value, Mapping):
        return any(map(_holds_secret, value.values()))
    if isinstance(value, (tuple, list, frozenset, set)):
        return any(map(_holds_secret, value))
    return isinstance(value, Secret)


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def bundle_key(own: bytes) -> bytes:
    """The key for digests of layers in bundles that a store's own key makes. It tells nothing of that one,
    nor of what is hashed with it; that it is always the same makes equal bundles of equal layers."""
    return hmac.new(own, b"layers in bundles", hashlib.sha256).digest()


def local_key(root: Path) -> bytes:
    """The store's own key, made when it is first asked for."""
    path = root / "layer-key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        # a name of its own: several builds may be at this point at once
        descriptor, staged = tempfile.mkstemp(prefix=f"{path.name}.", dir=root)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32))
        with suppress(FileExistsError):  # the first one stays
            os.link(staged, path)
    finally:
        Path(staged).unlink()
    return path.read_bytes()


def _below(path: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """The path itself and, in a folder, everything in it; links to folders are followed."""
    yield path
    real = path.resolve()
    if real in above or not path.is_dir():
        return
    try:
        items = sorted(path.iterdir())
    except PermissionError:
        return  # who needs what is in it says so
    for item in items:
        yield from _below(item, above | {real})


def _mentions(path: Path) -> bool:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_SCRIPT:
            return False
        content = path.read_bytes()
    except OSError:
        return False
    return any(name in content for name in _BUILD_VARIABLES)
