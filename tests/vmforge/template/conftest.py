"""What the tests of the template language share: contexts, and the corpus when it is at hand."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vmforge.template import Template, VariableInputs, load
from vmforge.template.expressions.evaluation import evaluate
from vmforge.template.expressions.scope import Scope
from vmforge.template.expressions.values import Value, from_plain
from vmforge.template.functions import FUNCTIONS
from vmforge.template.functions.context import FunctionContext
from vmforge.template.hcl import SourceText, parse_expression

STARTED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
CORPUS = Path(__file__).parents[4] / "shared" / "corpus"


@pytest.fixture(scope="session")
def corpus() -> Path:
    if not CORPUS.is_dir():
        pytest.skip("the shared corpus is not beside the repository")
    return CORPUS


@pytest.fixture(scope="session")
def corpus_templates(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of real templates, unpacked."""
    folder = tmp_path_factory.mktemp("corpus")
    with tarfile.open(corpus / "templates.tar.xz") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def started() -> datetime:
    return STARTED


@pytest.fixture
def context(tmp_path: Path) -> FunctionContext:
    return FunctionContext(tmp_path, STARTED, {"HOME": "/root", "SET": "from the environment"})


@pytest.fixture
def value_of(context: FunctionContext) -> Callable[..., Value]:
    """Evaluate an expression, with names such as `var` given as plain values."""

    def run(text: str, **names: Any) -> Value:
        tree, diagnostics = parse_expression(SourceText("<test>", text))
        assert tree is not None, [d.summary for d in diagnostics]
        table = {name: from_plain(value) for name, value in names.items()}
        return evaluate(tree, Scope(table, context, functions=FUNCTIONS))

    return run


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[..., Template]:
    """Load a template from its text; keyword arguments are those of `VariableInputs`."""

    def run(text: str, *, tolerant: bool = False, data_values: Any = None, **inputs: Any) -> Template:
        path = tmp_path / "main.pkr.hcl"
        path.write_text(text, encoding="utf-8")
        given = VariableInputs(**inputs)
        return load(path, given, started=STARTED, tolerant=tolerant, data_values=data_values)

    return run
