"""The JSON syntax of HCL: the same tree as that of the native syntax, and places in the file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from vmforge.diagnostics import Diagnostic, DiagnosticError
from vmforge.template import Template, VariableInputs, format_value, load
from vmforge.template.hcl import SourceText
from vmforge.template.hcl.json_syntax import parse_json_file
from vmforge.template.hcl.syntax import Body


def parse(text: str) -> tuple[Body, list[Diagnostic]]:
    return parse_json_file(SourceText("t.pkr.json", text))


@pytest.fixture
def load_json(tmp_path: Path, started: datetime) -> Callable[..., Template]:
    def run(text: str, **inputs: Any) -> Template:
        path = tmp_path / "main.pkr.json"
        path.write_text(text, encoding="utf-8")
        return load(path, VariableInputs(**inputs), started=started)

    return run


def outline(body: Body) -> list[Any]:
    blocks = [(block.type, block.label_values, outline(block.body)) for block in body.blocks]
    return [list(body.arguments), blocks]


def test_blocks_and_arguments() -> None:
    text = """{
      "//": "a comment",
      "source": {"qemu": {"a": {"x": 1, "//": "one more"}, "b": [{"y": 2}, {"z": {}}]}},
      "build": [{
        "sources": ["source.qemu.a"],
        "provisioner": [{"shell": {"inline": []}}, {"file": null}, {"shell": {}}],
        "post-processors": {"post-processor": [{"manifest": {}}, {"checksum": {}}]}
      }],
      "source": {"null": {"c": {}}},
      "packer": {"required_plugins": {"qemu": {"version": ">= 1"}}},
      "odd": 1
    }"""
    body, diagnostics = parse(text)
    assert diagnostics == []
    assert outline(body) == [
        ["odd"],
        [
            ("source", ("qemu", "a"), [["x"], []]),
            ("source", ("qemu", "b"), [["y"], []]),
            ("source", ("qemu", "b"), [["z"], []]),
            (
                "build",
                (),
                [
                    ["sources"],
                    [
                        ("provisioner", ("shell",), [["inline"], []]),
                        ("provisioner", ("shell",), [[], []]),
                        (
                            "post-processors",
                            (),
                            [
                                [],
                                [
                                    ("post-processor", ("manifest",), [[], []]),
                                    ("post-processor", ("checksum",), [[], []]),
                                ],
                            ],
                        ),
                    ],
                ],
            ),
            ("source", ("null", "c"), [[], []]),
            ("packer", (), [[], [("required_plugins", (), [["qemu"], []])]]),
        ],
    ]


def test_strings_are_templates_and_types_are_expressions(load_json: Callable[..., Template]) -> None:
    template = load_json(
        r"""{
          "variable": {"l": {"type": "list(string)", "default": ["a"],
                             "validation": {"condition": "${length(var.l) > 0}", "error_message": "Must."}}},
          "locals": [
            {"up": "${upper(var.l[0])}!", "kept": "${var.l}", "plain": "$${x} \u00e9\n"},
            {"object": {"k${1 + 1}": [1, 2.5, true, null, "%{ if true }y%{ endif }"]}, "large": 1e30}
          ]
        }"""
    )
    values = {name: value.value for name, value in template.local_values.items()}
    assert template.variables["l"].type == "list of string"
    assert (values["up"], values["plain"], values["large"]) == ("A!", "${x} é\n", 10**30)
    assert format_value(values["kept"]) == '[\n  "a",\n]'
    shown = '{\n  "k2" = [\n    1,\n    2.5,\n    true,\n    null,\n    "y",\n  ]\n}'
    assert format_value(values["object"]) == shown


def test_dynamic_blocks(load_json: Callable[..., Template]) -> None:
    template = load_json(
        """{
          "source": {"qemu": {"a": {"dynamic": {"disk": {
              "for_each": ["1G", "2G"], "iterator": "d", "content": {"size": "${d.value}"}}}}}},
          "build": {"sources": ["source.qemu.a"]}
        }"""
    )
    body = template.builds[0].sources[0].evaluate().body
    assert [block.body.settings["size"].value for block in body.blocks] == ["1G", "2G"]


def test_json_and_native_files_are_one_template(tmp_path: Path, started: datetime) -> None:
    (tmp_path / "a.pkr.hcl").write_text('variable "x" {\n  default = "from hcl"\n}\n')
    (tmp_path / "b.pkr.json").write_text('{"locals": {"y": "${var.x}"}}')
    (tmp_path / "v.auto.pkrvars.json").write_text('{"x": "${not a template}", "//": "comment"}')
    template = load(tmp_path, VariableInputs(), started=started)
    assert template.local_values["y"].value == "${not a template}"


@pytest.mark.parametrize(
    ("text", "summary", "line", "column"),
    [
        ('{\n "locals": {"a": "x${nope}"}}', "there is nothing named `nope`", 2, 22),
        ('{"locals":\n{"a": "\\u00e9\\n${ 1 + }"}}', "expected a value", 2, 23),
        ('{"locals": {"a": 1, "a": 2}}', "`a` is set twice", 1, 21),
        ('{"locals": {"o": {"k": 1,\n "k": 2}}}', "the key `k` stands twice in this object", 2, 2),
        ('{"source": {"qemu": 1}}', "expected an object with arguments and blocks, not a number", 1, 21),
        ('{"locals": [1]}', "expected an object with arguments and blocks, not a number", 1, 13),
        ('{"variable": {"a": {"type": "lst(", "default": 1}}}', "expected", 1, 34),
        ('{"locals": {"a": 1,}}', "expected a key in double quotes", 1, 20),
        ("[1", "the list that begins here does not end", 1, 1),
    ],
)
def test_mistakes(
    load_json: Callable[..., Template], text: str, summary: str, line: int, column: int
) -> None:
    with pytest.raises(DiagnosticError) as caught:
        load_json(text)
    found = caught.value.diagnostics[0]
    assert found.range is not None
    assert found.summary.startswith(summary)
    assert (found.range.start.line, found.range.start.column) == (line, column)


def test_dynamic_blocks_hold_what_they_make(load_json: Callable[..., Template]) -> None:
    template = load_json(
        """{
      "source": {"null": {"x": {}}},
      "dynamic": {
        "source": {"for_each": ["a"], "labels": ["null", "${source.value}"], "content": {}},
        "build": [{"for_each": ["one", "two"], "content": {
          "name": "${build.value}",
          "sources": ["null.x", "null.a"],
          "provisioner": {"shell": {"inline": ["${build.key}"]}},
          "dynamic": [
            {"provisioner": [
              {"for_each": ["file"], "labels": ["${p.value}"], "iterator": "p", "content": {}},
              {"for_each": [], "labels": ["shell"], "content": {}}
            ]},
            {"post-processors": {"for_each": ["a", "b"], "content": {
              "post-processor": [{"manifest": {"output": "${post-processors.value}"}}],
              "dynamic": {"post-processor": {
                "for_each": ["checksum", "compress"], "labels": ["${post-processor.value}"], "content": {}
              }}
            }}}
          ]
        }}]
      }
    }"""
    )
    assert [build.name for build in template.builds] == ["one", "two"]
    for build in template.builds:
        assert [(use.type, use.label) for use in build.sources] == [("null", "x"), ("null", "a")]
        assert [p.type for p in build.provisioners] == ["shell", "file"]
        assert [[p.type for p in chain] for chain in build.chains] == [
            ["manifest", "checksum", "compress"]
        ] * 2


def test_a_dynamic_block_has_one_label(load_json: Callable[..., Template]) -> None:
    with pytest.raises(DiagnosticError, match="`dynamic` needs one `content` block"):
        load_json(
            '{"build": {"dynamic": {"provisioner": {"shell": {"for_each": [1], "content": {"inline": []}}}}}}'
        )


@pytest.mark.parametrize("number", ["1e400", "-1e400", "25e4998", "1.5e-400", "1" * 5000])
def test_numbers_have_512_bits(number: str, load_json: Callable[..., Template], tmp_path: Path) -> None:
    file = tmp_path / "v.pkrvars.json"
    file.write_text(f'{{"given": [{number}]}}')
    template = load_json(f'{{"variable": {{"a": {{"default": {number}}}, "given": {{}}}}}}', files=(file,))
    given = template.variables["given"].value
    assert template.variables["a"].value == given[0]  # type: ignore[index]
    assert given[0] != 0  # type: ignore[index]


def test_a_number_beyond_all_measure_is_an_error(load_json: Callable[..., Template], tmp_path: Path) -> None:
    file = tmp_path / "v.pkrvars.json"
    file.write_text('{"given": 1e999999999999}')
    with pytest.raises(DiagnosticError) as raised:
        load_json('{"variable": {"given": {}}}', files=(file,))
    assert str(raised.value) == "`1e999999999999` is too large or too small a number"
