"""The `acme` data source: finds the newest file of a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.sdk import Config, DataSource, Problem, Value, option


@dataclass(frozen=True, kw_only=True)
class AcmeConfig(Config):
    """The options of `data "acme" "..."`."""

    folder: Path = option(help="The folder to look in.")
    pattern: str = option("*", help="Which files count, as in `*.tar.gz`.")


class AcmeDataSource(DataSource[AcmeConfig]):
    config_type = AcmeConfig
    summary = "finds the newest file of a folder"
    sdk_version = "1.0"

    @classmethod
    def check(cls, config: AcmeConfig) -> Iterable[Problem]:
        if not config.pattern or "/" in config.pattern:
            hint = "it is held against names, as in `*.tar.gz`"
            yield Problem("`pattern` is empty or has a `/`", option="pattern", hint=hint)

    def read(self) -> dict[str, Value]:
        """`path`, `name` and `size` (in bytes) of the file."""
        folder, pattern = self.config.folder, self.config.pattern
        found = [path for path in folder.glob(pattern) if path.is_file()]
        if not found:
            raise VmforgeError(f"no file in `{folder}` fits `{pattern}`")
        newest = max(found, key=lambda path: path.stat().st_mtime_ns)
        return {"path": str(newest.absolute()), "name": newest.name, "size": newest.stat().st_size}
