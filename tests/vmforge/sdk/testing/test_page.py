"""The component that docs/plugins.md shows is one."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vmforge.sdk.testing import check_provisioner

PAGE = Path(__file__).parents[4] / "docs" / "plugins.md"


def test_the_whole_provisioner_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = re.findall(r"^A whole provisioner:\n\n```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    exec(text, vars(module))
    component: Any = module.__dict__["WaitProvisioner"]
    check_provisioner(component, {"command": "true"}, tmp_path)
