"""What the tests of the upgrade share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.sdk.registry import Registry
from vmforge.template.upgrade import Upgraded, upgrade


@pytest.fixture
def upgrade_json(tmp_path: Path) -> Callable[..., Upgraded]:
    """Upgrade a template given as a value or as text; the file is `t.json`."""

    def run(template: Any, **flags: Any) -> Upgraded:
        path = tmp_path / "t.json"
        text = template if isinstance(template, str) else json.dumps(template)
        path.write_text(text, encoding="utf-8")
        return upgrade(path, Registry(), **flags)

    return run
