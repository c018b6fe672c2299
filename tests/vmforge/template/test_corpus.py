"""The language against what others say of it: results of go-cty, Terraform and Packer, the HCL
specification's own suite, Packer's answers about real templates, and the Go parser."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vmforge.diagnostics import DiagnosticError
from vmforge.errors import VmforgeError
from vmforge.template import RuntimeScope, Template, VariableInputs, format_value, load, quote
from vmforge.template.expressions.errors import EvaluationError
from vmforge.template.expressions.evaluation import evaluate
from vmforge.template.expressions.scope import Scope
from vmforge.template.expressions.values import Value, equal, from_plain
from vmforge.template.functions import FUNCTIONS
from vmforge.template.functions.context import FunctionContext
from vmforge.template.functions.json_text import encode_json
from vmforge.template.hcl import SourceText, parse_expression, parse_file
from vmforge.template.hcl.syntax import Body

LOCALS: dict[str, Any] = {
    "l": [1, 2, 3],
    "ls": ["a", "b", "c"],
    "m": {"a": 1, "b": 2},
    "nested": {"a": {"b": [10, 20]}},
    "o": [{"n": "x", "v": 1}, {"n": "y", "v": 2}],
    "s": "héllo",
    "nul": None,
    "e": [],
    "n": 42,
    "b": True,
}
# Rows whose "agreed" result is Terraform's console alone: go-cty and Packer refuse to format null.
ARTIFACTS = {'format("%s", null)'}


def result_of(text: str, context: FunctionContext) -> Any:
    tree, _ = parse_expression(SourceText("<corpus>", text))
    if tree is None:
        return "ERROR"
    scope = Scope({"local": from_plain(LOCALS)}, context, functions=FUNCTIONS)
    try:
        return json.loads(encode_json(evaluate(tree, scope)))
    except EvaluationError:
        return "ERROR"


def test_expressions_agree_with_go_cty_terraform_and_packer(corpus: Path, context: FunctionContext) -> None:
    wrong = []
    for line in (corpus / "expressions.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        text = row["expr"]
        if text in ARTIFACTS:
            continue
        if row["all_error"]:
            expected: Any = "ERROR"
        elif row["agreed"] is not None:
            expected = json.loads(row["agreed"])
        else:
            continue
        got = result_of(text, context)
        if got != expected:
            wrong.append((text, got, expected))
    assert wrong == []


def tree_value(body: Body, scope: Scope) -> Value:
    """A body as one object: arguments by name, blocks by type and then by label."""
    result: dict[str, Value] = {name: evaluate(a.expression, scope) for name, a in body.arguments.items()}
    for block in body.blocks:
        inside = tree_value(block.body, scope)
        if not block.labels:
            result[block.type] = inside
            continue
        table = result.setdefault(block.type, {})
        assert isinstance(table, dict)
        table[block.labels[0].value] = inside
    return result


@pytest.mark.parametrize("name", ["operators", "heredoc", "primitive_literals"])
def test_expressions_of_the_specification(
    corpus_templates: Path, context: FunctionContext, name: str
) -> None:
    folder = corpus_templates / "_hcl_specsuite" / "specsuite" / "tests" / "expressions"
    variables = {"bar": "Bar", "space_bar": "  Bar", "words": ("Foo", "Bar", "Baz")}
    scope = Scope(from_plain(variables), context, functions=FUNCTIONS)  # type: ignore[arg-type]
    body, diagnostics = parse_file(SourceText(name, (folder / f"{name}.hcl").read_text(encoding="utf-8")))
    assert diagnostics == []
    wanted, _ = parse_file(SourceText(name, (folder / f"{name}.t").read_text(encoding="utf-8")))
    assert equal(tree_value(body, scope), evaluate(wanted.arguments["result"].expression, scope)) is True


def test_structure_of_the_specification(corpus_templates: Path) -> None:
    folder = corpus_templates / "_hcl_specsuite" / "specsuite" / "tests"
    wrong = []
    for path in [*(folder / "structure").rglob("*.hcl"), *(folder / "comments").glob("*.hcl")]:
        _, found = parse_file(SourceText(path.name, path.read_text(encoding="utf-8")))
        wanted = re.findall(r"from \{\s+line += (\d+)\s+column += (\d+)", path.with_suffix(".t").read_text())
        if path.stem == "unexpected":
            wanted = []  # a matter of the schema, not of the syntax
        places = [(str(f.range.start.line), str(f.range.start.column)) for f in found if f.range is not None]
        if places != wanted:
            wrong.append((path.name, places, wanted))
    assert wrong == []


def inspected(corpus: Path) -> Iterator[dict[str, Any]]:
    for line in (corpus / "packer-1.6.6-inspect.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] != "json":
            yield row


def evaluate_everything(template: Template) -> None:
    for build in template.builds:
        for source in build.sources:
            source.evaluate()
            runtime = RuntimeScope(source.name, source.type)
            for block in (*build.provisioners, *(p for chain in build.chains for p in chain)):
                block.evaluate(runtime)


def shown_values(template: Template) -> set[str]:
    values = [(f"var.{v.name}", v.value) for v in template.variables.values()]
    values += [(f"local.{v.name}", v.value) for v in template.local_values.values()]
    return {f"{name}: {quote(format_value(value))}" for name, value in values}


def test_real_templates_load_and_have_the_values_that_packer_shows(
    corpus: Path, corpus_templates: Path, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, different, compared = [], [], 0
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PKR_")}
    for row in inspected(corpus):
        path = corpus_templates / row["path"]
        folder, target = (path, Path()) if row["kind"] == "hcl" else (path.parent, Path(path.name))
        monkeypatch.chdir(folder)
        try:
            template = load(target, VariableInputs(environment=environment), started=started, tolerant=True)
        except VmforgeError as error:
            if row["rc"] == 0:
                refused.append((row["path"], error.message))
            continue
        evaluate_everything(template)
        lines = {line for line in row["output"].splitlines() if line.startswith(("var.", "local."))}
        declared = {line.split(":")[0] for line in lines if line.startswith("var.")}
        # files that the repositories link to are not in the archive: their variables are absent
        if (
            row["rc"] == 0
            and {f"var.{name}" for name in template.variables} == declared
            and not template.secrets
        ):
            compared += 1
            missing = {
                line for line in lines - shown_values(template) if not re.search(r"\d{8,}|\d{4}-\d\d-", line)
            }
            if missing:
                different.append((row["path"], missing))
    assert refused == []
    assert different == []
    assert compared > 150


def go_accepts(text: bytes) -> bool:
    pygohcl = pytest.importorskip("pygohcl")
    try:
        pygohcl.loadb(text)
    except pygohcl.HCLParseError:
        return False
    return True


def accepts(text: bytes) -> bool:
    _, diagnostics = parse_file(SourceText("<test>", text.decode("utf-8", "surrogateescape")))
    return not diagnostics


def test_parser_accepts_what_the_go_parser_accepts(corpus_templates: Path) -> None:
    files = [path for path in corpus_templates.rglob("*.hcl") if path.is_file()]
    assert len(files) > 400
    assert [path for path in files if accepts(path.read_bytes()) != go_accepts(path.read_bytes())] == []


SEEDS = [
    'a = "x${1}y"\n',
    "a = <<-EOT\n  x ${b ~} c\n  %{ if true ~}\n y\n  %{ endif }\n  EOT\n",
    "a = [for x in y : x if z]\n",
    "a = {for k, v in m : k => v...}\n",
    'b "l" m {\n c = 1\n}\n',
    "a = x ? y : z\n",
    "a = f(x, y...)\n",
    "a = x.*.y[0].z\n",
    "a = x[*].y.0\n",
    "a { b = 1 }\n",
    "a = -b + !c * (d % 2)\n",
    'a = "%{ for i in x }${i}%{ else }%{ endfor }"\n',
    "/* c */ a = 1 // x\n",
    'a = {\n "x" = 1, y : 2\n (z) = 3\n}\n',
    'a = "$${x} %%{y} \\n \\u00e9"\n',
    "x = <<A\n${<<B\nq\nB\n}\nA\n",
    'source "qemu" "x" {\n  vm_name = "a-${var.b}"\n  c = ["a",\n "b"]\n  d {\n  }\n}\n',
]
WORDS = """
{ } ( ) [ ] " ${ %{ ~} = == => : ? , . ... * - ! % # // /* */ EOT 1 1.5 1e x for in if else endif endfor
null true $ \\ \\n ~ é ² & && | || < <= ; ' ` :: @ 0 a-b _x
"""
PIECES = [*WORDS.split(), "\n", "\r\n", "<<EOT\n", "<<-EOT\n", "EOT\n", " ", "\t", "\ufeff", "\u2028"]


def mutated(seeds: list[str], generator: random.Random) -> str:
    text = generator.choice(seeds)
    for _ in range(generator.randint(1, 4)):
        at, kind = generator.randrange(len(text) + 1), generator.random()
        if kind < 0.4:
            text = text[:at] + generator.choice(PIECES) + text[at:]
        elif kind < 0.7:
            text = text[:at] + text[at + generator.randint(1, 3) :]
        else:
            text = text[:at] + generator.choice(PIECES) + text[at + 1 :]
    return text


def test_parser_agrees_with_the_go_parser_on_mutated_text() -> None:
    pytest.importorskip("pygohcl")
    generator = random.Random(20240506)
    texts = [mutated(SEEDS, generator) for _ in range(20_000)]
    assert [text for text in texts if accepts(text.encode()) != go_accepts(text.encode())] == []


def test_no_mutated_template_is_a_traceback(load_text: Any) -> None:
    generator = random.Random(7)
    seeds = [
        'variable "a" {\n type = list(string)\n default = ["x"]\n}\nlocals {\n b = [for x in var.a : x]\n}\n',
        'source "null" "x" {\n}\nbuild {\n  sources = ["null.x"]\n  provisioner "shell" {\n'
        '    inline = ["${build.ID}"]\n    pause_before = "5s"\n  }\n}\n',
        'dynamic "source" {\n  for_each = ["a"]\n  labels = ["null", source.value]\n  content {\n  }\n}\n',
    ]
    for _ in range(1500):
        try:
            evaluate_everything(load_text(mutated(seeds, generator), tolerant=True))
        except DiagnosticError as error:
            assert error.diagnostics


def test_importing_the_room_loads_no_heavy_library() -> None:
    heavy = (
        "requests",
        "paramiko",
        "libvirt",
        "pycdlib",
        "bcrypt",
        "cryptography",
        "ipaddress",
        "json",
        "yaml",
        "hvac",
    )
    program = "import sys; before = set(sys.modules); import vmforge.template; "
    program += f"print(*({set(heavy)!r} & (set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
