"""The `null` data source: hands a value on, computed when data sources are read."""

from __future__ import annotations

from dataclasses import dataclass

from vmforge.sdk import Config, DataSource, Value, option


@dataclass(frozen=True, kw_only=True)
class NullConfig(Config):
    input: str = option(help="The text that becomes the attribute `output`.")


class NullDataSource(DataSource[NullConfig]):
    config_type = NullConfig
    summary = "hands `input` on as `output`"

    def read(self) -> dict[str, Value]:
        return {"output": self.config.input}
