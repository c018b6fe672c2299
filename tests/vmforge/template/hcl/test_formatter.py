"""The canonical layout, against Packer's own `fmt` where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vmforge.template.hcl import SourceText, parse_file
from vmforge.template.hcl.formatter import format_text

EVERYTHING = Path(__file__).parents[3] / "golden" / "fmt" / "everything.in.pkr.hcl"

# Packer 1.6.6 writes `! x`; the hclwrite of later versions writes `!x`, as everybody does
NEWER_THAN_PACKER = {"_hcl_specsuite/specsuite/tests/expressions/operators.hcl"}


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def meaning(node: Any) -> Any:
    """A syntax tree without places, as values that compare."""
    if isinstance(node, (list, tuple)):
        return [meaning(item) for item in node]
    if isinstance(node, dict):
        return {name: meaning(item) for name, item in node.items()}
    if node is None or isinstance(node, (str, int, Fraction)):
        return node
    slots = [slot for cls in type(node).__mro__ for slot in getattr(cls, "__slots__", ())]
    fields = [slot for slot in slots if slot not in ("source", "start", "end")]
    return [type(node).__name__, *(meaning(getattr(node, name)) for name in fields)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("a=1", "a = 1"),
        ("a   =  [1,2 ,3]\n", "a = [1, 2, 3]\n"),
        ("a={ }\nb = { x=1 }\n", "a = {}\nb = { x = 1 }\n"),
        ('b  "x"   "y"{\n}\n', 'b "x" "y" {\n}\n'),
        ("a=1\nbbb=2\n\ncc=3\n", "a   = 1\nbbb = 2\n\ncc = 3\n"),
        ("a={\nb=1\n}\nccc=2\n", "a = {\n  b = 1\n}\nccc = 2\n"),
        ("a=1 # x\nbbb=22 // y\n", "a   = 1  # x\nbbb = 22 // y\n"),
        ("b {\n# c\n\n\n  \na=1\n}\n", "b {\n  # c\n\n\n\n  a = 1\n}\n"),
        ("a=-1\nb=a-1\nc=a -1\nd=(-1)\ne=1- -1\n", "a = -1\nb = a-1\nc = a - 1\nd = (-1)\ne = 1 - -1\n"),
        ("a=! b\nc=!( d||!e )\n", "a = !b\nc = !(d || !e)\n"),
        ("a = f ( x , y... )\n", "a = f(x, y...)\n"),
        ("a = b . c [ 0 ] [*]\n", "a = b.c[0][*]\n"),
        ("a=[for x in[1]:x if x>0]\n", "a = [for x in [1] : x if x > 0]\n"),
        ('a="${ b }-${~ c ~}${ d }"\n', 'a = "${b}-${~c~}${d}"\n'),
        ('a="%{ if b }  x %{else}y%{ endif }"\n', 'a = "%{if b}  x %{else}y%{endif}"\n'),
        ("a=b?c:d\n", "a = b ? c : d\n"),
        ("a=f([{\nb=1\n},{\nc=2\n}])\n", "a = f([{\n  b = 1\n  }, {\n  c = 2\n}])\n"),
        ("a=<<EOT\n   x  ${ y }\n  EOT\nbb=1\n", "a  = <<EOT\n   x  ${y}\n  EOT\nbb = 1\n"),
        ("a=1\r\n  bb=2\r\n", "a  = 1\r\nbb = 2\r\n"),
        ("\ta\t=\t1\n", "a = 1\n"),
        ("\ufeffa=1\n", "\ufeffa = 1\n"),
        ('a="é" # x\nb="e" # y\nc="日本" # z\n', 'a = "é"  # x\nb = "e"  # y\nc = "日本" # z\n'),
        ("/* x */ a=1 /* y */\n", "/* x */ a = 1 /* y */\n"),
        ("# no end", "# no end"),
    ],
)
def test_layout(before: str, after: str) -> None:
    assert format_text(before) == after
    assert format_text(after) == after


def test_brackets_in_a_heredoc_do_not_shift_what_follows() -> None:
    text = "b {\n  a = <<EOT\n ${f(\n    1\n  )}\nEOT\n  c = 1\n}\n"
    assert format_text(text).endswith("EOT\n  c = 1\n}\n")
    assert format_text(format_text(text)) == format_text(text)


def test_everything_at_once(golden: Callable[[str, str], None]) -> None:
    text = read(EVERYTHING)
    formatted = format_text(text)
    golden("fmt/everything.out.pkr.hcl", formatted)
    assert format_text(formatted) == formatted
    assert tree_of(formatted) == tree_of(text)


def tree_of(text: str) -> Any:
    body, diagnostics = parse_file(SourceText("t.hcl", text))
    assert diagnostics == []
    return meaning(body)


@pytest.fixture(scope="module")
def texts(corpus_templates: Path) -> dict[str, str]:
    """The files of the corpus that parse."""
    found = {str(path.relative_to(corpus_templates)): read(path) for path in corpus_templates.rglob("*.hcl")}
    return {name: text for name, text in found.items() if not parse_file(SourceText(name, text))[1]}


def test_the_corpus_keeps_its_meaning(texts: dict[str, str]) -> None:
    assert len(texts) > 400
    for name, text in texts.items():
        formatted = format_text(text)
        assert format_text(formatted) == formatted, name
        assert tree_of(formatted) == tree_of(text), name


def test_the_corpus_comes_out_as_packer_formats_it(texts: dict[str, str], tmp_path: Path) -> None:
    packer = shutil.which("packer")
    if packer is None:
        pytest.skip("packer is not installed")
    files = {name: tmp_path / f"{number:04}.pkr.hcl" for number, name in enumerate(texts)}
    for name, path in files.items():
        path.write_bytes(texts[name].encode("utf-8", "surrogateescape"))
    subprocess.run([packer, "fmt", tmp_path], check=True, capture_output=True)
    different = {name for name, path in files.items() if read(path) != format_text(texts[name])}
    assert different <= NEWER_THAN_PACKER
