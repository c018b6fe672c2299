"""Whatever text goes in, HCL reads the same text out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.template.expressions.evaluation import evaluate
from vmforge.template.expressions.scope import Scope
from vmforge.template.functions import FUNCTIONS
from vmforge.template.functions.context import FunctionContext
from vmforge.template.hcl import SourceText, parse_expression, parse_file
from vmforge.template.upgrade.tokens import Interpolation, Part, comment, expression, identifier, key

TEXT = st.text(alphabet=st.sampled_from('ab${}%~"\\\n\r\t EOF\u00e9\u2028\x00\U0001f600'), max_size=12)


def evaluated(text: str, context: FunctionContext) -> Any:
    tree, _ = parse_file(SourceText("<test>", f"x = {text}\n"))
    names: dict[str, Any] = {"var": {"x": "<x>"}}
    return evaluate(tree.arguments["x"].expression, Scope(names, context, functions=FUNCTIONS))


@given(parts=st.lists(TEXT | st.just(Interpolation("var.x")), max_size=5), heredocs=st.booleans())
def test_parts_read_back(parts: list[Part], heredocs: bool) -> None:
    from datetime import UTC, datetime
    from pathlib import Path

    context = FunctionContext(Path(), datetime.now(UTC), {})
    wanted = "".join(part if isinstance(part, str) else "<x>" for part in parts)
    assert evaluated(expression(parts, heredocs=heredocs), context) == wanted


@pytest.mark.parametrize(
    ("parts", "written"),
    [
        ([], '""'),
        ([Interpolation("var.x")], "var.x"),
        (["a ${b} %{c} $d"], '"a $${b} %%{c} $d"'),
        (["$", Interpolation("var.x")], '"${"$"}${var.x}"'),
        (["$${x}"], '"${"$"}$${x}"'),
        (["a\nb\n"], "<<EOF\na\nb\nEOF"),
        (["a\nb"], '"a\\nb"'),
        (["a\n EOF\n"], '"a\\n EOF\\n"'),
        (["a\\\n", Interpolation("var.x"), "\n"], "<<EOF\na\\\n${var.x}\nEOF"),
    ],
)
def test_spelling(parts: list[Part], written: str) -> None:
    assert expression(parts, heredocs=True) == written


def test_names() -> None:
    assert [identifier(name) for name in ("a-b", "a.b c", "1st", "")] == ["a-b", "a_b_c", "_1st", "_"]
    assert [key(name) for name in ("a", "a b", "true", "for", "${x}", "")] == [
        "a",
        '"a b"',
        '"true"',
        '"for"',
        '"$${x}"',
        '""',
    ]
    assert comment("one\n\ntwo ") == "# one\n#\n# two\n"
    assert parse_expression(SourceText("<test>", f"{{ {key('if')} = 1 }}"))[1] == []
