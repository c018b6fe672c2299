"""Which Packer vmforge stands in for."""

from __future__ import annotations

from typing import Final

# The version of Packer whose language this is: `packer.version` and `{{ packer_version }}`, and what
# `required_version` of a template is held against.
PACKER_VERSION: Final = "1.16.0"
