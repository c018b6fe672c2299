"""What the tests of legacy JSON share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.template import Template, VariableInputs, load


@pytest.fixture
def load_json(tmp_path: Path, started: Any) -> Callable[..., Template]:
    """Load a template from its text; keyword arguments are those of `VariableInputs`."""

    def run(text: str, *, tolerant: bool = False, **inputs: Any) -> Template:
        path = tmp_path / "template.json"
        path.write_text(text, encoding="utf-8")
        return load(path, VariableInputs(**inputs), started=started, tolerant=tolerant)

    return run
