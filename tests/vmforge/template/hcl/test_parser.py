"""Bodies and expressions: shapes, places, and recovery after mistakes."""

from __future__ import annotations

import pytest

from vmforge.diagnostics import Diagnostic
from vmforge.template.hcl import SourceText, parse_expression, parse_file
from vmforge.template.hcl.syntax import Body, Call, Expression, Index, Literal, Parentheses, Reference, Splat


def parse(text: str) -> tuple[Body, list[Diagnostic]]:
    return parse_file(SourceText("t.hcl", text))


def expression(text: str) -> Expression:
    tree, diagnostics = parse_expression(SourceText("t.hcl", text))
    assert tree is not None, diagnostics
    return tree


def shape(node: Expression) -> str:
    """The tree as nested parentheses, `(Binary (Reference) (Literal))`; those of the text left out."""
    if isinstance(node, Parentheses):
        return shape(node.inner)
    inside = "".join(f" {shape(child)}" for child in node.children())
    return f"({type(node).__name__}{inside})"


def test_body() -> None:
    body, diagnostics = parse('a = 1 # c\nb "x" y {\n  c = 2 // d\n  /* e */ d {}\n}\r\nlast = "é"')
    assert diagnostics == []
    assert list(body.arguments) == ["a", "last"]
    (block,) = body.blocks
    assert (block.type, block.label_values, list(block.body.arguments)) == ("b", ("x", "y"), ["c"])
    assert [inner.type for inner in block.body.blocks] == ["d"]


def test_every_node_knows_its_place() -> None:
    body, _ = parse('é = 1\nname = [\n  var.list[0] + f("a", b...),\n]\n')
    argument = body.arguments["name"]
    assert (argument.range.start.line, argument.name_range.end.column) == (2, 5)

    def check(node: Expression) -> None:
        for child in node.children():
            assert node.start <= child.start <= child.end <= node.end
            check(child)

    check(argument.expression)
    (item,) = argument.expression.children()
    left, right = item.children()
    assert (item.text, left.text, right.text) == ('var.list[0] + f("a", b...)', "var.list[0]", 'f("a", b...)')
    assert (right.range.start.line, right.range.start.column, right.range.end.column) == (3, 17, 29)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a || b && c", "a || (b && c)"),
        ("a == b < c", "a == (b < c)"),
        ("a - b - c", "(a - b) - c"),
        ("-a.b * c", "(-a.b) * c"),
        ("!a && b", "(!a) && b"),
        ("a ? b : c ? d : e", "a ? b : (c ? d : e)"),
    ],
)
def test_precedence(text: str, same: str) -> None:
    assert shape(expression(text)) == shape(expression(same))


def test_traversals() -> None:
    node = expression("a.b[0].c.1")
    assert isinstance(node, Index) and isinstance(node.key, Literal) and node.key.value == 1
    full, attributes = expression("a[*].b[0]"), expression("a.*.b[0]")
    assert isinstance(full, Splat)
    assert isinstance(attributes, Index) and isinstance(attributes.operand, Splat)


def test_names_may_hold_dashes() -> None:
    node = expression("a-b - c")
    left, _ = node.children()
    assert isinstance(left, Reference) and left.name == "a-b"


def test_calls() -> None:
    node = expression("f(\n  a,\n  b...\n)")
    assert isinstance(node, Call) and node.expand and len(node.arguments) == 2


def test_parsing_goes_on_after_a_mistake() -> None:
    body, diagnostics = parse("a = [1,\nb = 2\nc = )\nd = 4\ne {\n  f = 'x'\n  g = 7\n}\nh = 8\n")
    assert len(diagnostics) == 3
    assert set(body.arguments) == {"d", "h"}
    assert list(body.blocks[0].body.arguments) == ["g"]


def test_bytes_that_are_no_utf8_are_reported_outside_comments() -> None:
    text = b'# \xff\na = "\xff"\n'.decode("utf-8", "surrogateescape")
    _, diagnostics = parse(text)
    assert [(d.summary, d.range.start.line) for d in diagnostics if d.range] == [
        ("this is not UTF-8 text", 2)
    ]
