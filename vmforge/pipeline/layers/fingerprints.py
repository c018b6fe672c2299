"""Digests of what a step depends on: options, texts, files and folders."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
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
    list of them is of any use to find the secret out.
    """

    digests: DigestMemory
    root: Path
    key: bytes
    secrets: frozenset[str] = frozenset()

    def of_config(self, config: Config) -> dict[str, str]:
        """The options that affect the image, those left at their default left out, by name."""
        found = {}
        for name, option in options_of(type(config)).items():
            value = getattr(config, name)
            if option.info.affects_image and value != option.default:
                found[name] = self.of_text(json.dumps(self._plain(value), sort_keys=True))
        return found

    def of_text(self, text: str) -> str:
        if any(secret and secret in text for secret in self.secrets):
            return "keyed:" + hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
        return hashlib.sha256(text.encode()).hexdigest()

    def of_files(self, paths: Iterable[Path]) -> dict[str, str]:
        """The digest and the mode of every file, in folders too, by its name as seen from `root`. What
        is not there has the digest `missing`."""
        found = {}
        for path in paths:
            for file in sorted(_files_below(path)):
                found[self.name_of(file)] = self._of_file(file)
        return found

    def name_of(self, path: Path) -> str:
        """How a path is shown and hashed: relative where it is below `root`."""
        whole = path.absolute()
        root = self.root.absolute()
        return str(whole.relative_to(root)) if whole.is_relative_to(root) else str(path)

    def mentions_build(self, config: Config, paths: Iterable[Path]) -> bool:
        """Whether an option or a script asks for the build's name, which then is an input."""
        texts = json.dumps(self._plain(config)).encode()
        if any(name in texts for name in _BUILD_VARIABLES):
            return True
        return any(_mentions(file) for path in paths for file in _files_below(path))

    def _of_file(self, path: Path) -> str:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            return f"{self.digests.digests(path, ['sha256'])['sha256']} {mode:o}"
        except OSError:
            return "missing"

    def _plain(self, value: Any) -> Any:
        """A value as JSON knows it. Secrets come in as they are: the text is hashed with the key."""
        if isinstance(value, Secret):
            return value.value
        if isinstance(value, Path):
            return self.name_of(value)
        if isinstance(value, Size):
            return value.bytes
        if isinstance(value, Duration):
            return value.seconds
        if isinstance(value, Config):
            return {item.name: self._plain(getattr(value, item.name)) for item in fields(value)}
        if isinstance(value, Mapping):
            return {str(name): self._plain(item) for name, item in value.items()}
        if isinstance(value, (tuple, list, frozenset, set)):
            return [self._plain(item) for item in value]
        return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def local_key(root: Path) -> bytes:
    """The store's own key, made when it is first asked for."""
    path = root / "layer-key"
    while True:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            staged = path.with_name(f"{path.name}.{os.getpid()}")
            descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(32))
            try:
                os.link(staged, path)  # the first one stays
            except FileExistsError:
                pass
            finally:
                staged.unlink()


def _files_below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder) / name for name in names)


def _mentions(path: Path) -> bool:
    try:
        if path.stat().st_size > _LARGEST_SCRIPT:
            return False
        content = path.read_bytes()
    except OSError:
        return False
    return any(name in content for name in _BUILD_VARIABLES)
