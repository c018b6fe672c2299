"""`source` and `build` blocks: what they hand to components, and with which values."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vmforge.diagnostics import DiagnosticError
from vmforge.sdk.body import Body
from vmforge.sdk.values import UNKNOWN, Duration
from vmforge.template import Evaluated, RuntimeScope, Template, parse_only

Load = Callable[..., Template]


def plain(body: Body) -> dict[str, Any]:
    return {name: setting.value for name, setting in body.settings.items()}


def clean(evaluated: Evaluated) -> dict[str, Any]:
    assert evaluated.diagnostics == []
    return plain(evaluated.body)


SOURCES = """
source "qemu" "base" {
  vm_name = "${source.name}-${source.type}"
  cpus    = 2
  ratio   = 0.5
  tags    = { b = ["x", null] }
  boot_command = ["<enter>{{ .HTTPIP }}"]
}
source "null" "n" {
}
"""


def test_sources_by_list_and_by_block(load_text: Load) -> None:
    template = load_text(
        SOURCES
        + """
build {
  name        = "first"
  description = "d"
  sources     = ["source.qemu.base", "sources.null.n"]
  source "qemu.base" {
    name   = "big"
    memory = 4096
  }
}
build {
  sources = ["null.n"]
}
"""
    )
    first, second = template.builds
    assert (first.name, first.description, second.name) == ("first", "d", "")
    assert [(s.type, s.label, s.name) for s in first.sources] == [
        ("qemu", "base", "base"),
        ("null", "n", "n"),
        ("qemu", "base", "big"),
    ]
    assert clean(first.sources[0].evaluate()) == {
        "vm_name": "base-qemu",
        "cpus": 2,
        "ratio": Decimal("0.5"),
        "tags": {"b": ("x", None)},
        "boot_command": ("<enter>{{ .HTTPIP }}",),
    }
    big = clean(first.sources[2].evaluate())
    assert (big["vm_name"], big["memory"]) == ("big-qemu", 4096)


def test_settings_know_their_places(load_text: Load) -> None:
    template = load_text(
        'source "qemu" "x" {\n  cpus = 1 + 1\n  nic "a" {\n    mac = "m"\n  }\n}\n'
        'build {\n  sources = ["qemu.x"]\n}\n'
    )
    body = template.builds[0].sources[0].evaluate().body
    setting = body.settings["cpus"]
    assert setting.range is not None and setting.name_range is not None and body.range is not None
    assert (setting.range.start.line, setting.range.start.column, setting.range.end.column) == (2, 10, 15)
    assert (setting.name_range.start.column, setting.name_range.end.column) == (3, 7)
    assert (body.range.start.line, body.range.end.column) == (1, 18)
    (block,) = body.blocks
    assert (block.type, block.labels, plain(block.body)) == ("nic", ("a",), {"mac": "m"})


def test_attribute_set_in_source_and_build_is_an_error(load_text: Load) -> None:
    template = load_text(SOURCES + 'build {\n  source "qemu.base" {\n    cpus = 4\n  }\n}\n')
    evaluated = template.builds[0].sources[0].evaluate()
    assert [d.summary for d in evaluated.diagnostics] == ["`cpus` is set twice for this source"]


PROVISIONERS = (
    SOURCES
    + """
build {
  name    = "b"
  sources = ["null.n"]
  provisioner "shell" {
    name              = "second name"
    only              = ["null.n"]
    pause_before      = "1m30s"
    timeout           = "5m"
    max_retries       = "3"
    continue_on_error = true
    inline            = ["${build.ID} ${source.name}", build.name]
    override = {
      n = { inline = ["other"], valid_exit_codes = [1] }
    }
  }
  error-cleanup-provisioner "shell-local" {
    except = ["qemu.base"]
    inline = ["{{ build `ID` }}"]
  }
  post-processor "manifest" {
    output = "${build.name}.json"
  }
  post-processors {
    post-processor "compress" {
      name                = "pack"
      keep_input_artifact = true
    }
    post-processor "checksum" {
      only = ["qemu.base"]
    }
  }
}
"""
)


def test_provisioners(load_text: Load) -> None:
    build = load_text(PROVISIONERS).builds[0]
    (shell,) = build.provisioners
    assert (shell.type, shell.name, shell.only, shell.except_) == ("shell", "second name", ("null.n",), ())
    assert (shell.pause_before, shell.timeout) == (Duration(90), Duration(300))
    assert (shell.max_retries, shell.continue_on_error) == (3, True)
    unknown = clean(shell.evaluate(RuntimeScope("other", "null")))
    assert unknown == {"inline": (UNKNOWN, "b")}
    known = clean(shell.evaluate(RuntimeScope("other", "null", {"ID": "i-1", "name": "ignored"})))
    assert known == {"inline": ("i-1 other", "b")}
    assert clean(shell.evaluate(RuntimeScope("n", "null", {"ID": "i-1"}))) == {
        "inline": ("other",),
        "valid_exit_codes": (1,),
    }
    assert build.error_cleanup is not None
    assert build.error_cleanup.except_ == ("qemu.base",)


def test_unknown_value_of_a_running_build_is_an_error(load_text: Load) -> None:
    (shell,) = load_text(PROVISIONERS).builds[0].provisioners
    evaluated = shell.evaluate(RuntimeScope("x", "null", {"Host": "h"}))
    assert [d.summary for d in evaluated.diagnostics] == ["there is no value `build.ID`"]


def test_post_processor_chains(load_text: Load) -> None:
    chains = load_text(PROVISIONERS).builds[0].chains
    assert [[(p.type, p.name, p.keep_input_artifact) for p in chain] for chain in chains] == [
        [("manifest", "manifest", None)],
        [("compress", "pack", True), ("checksum", "checksum", None)],
    ]
    assert clean(chains[0][0].evaluate(RuntimeScope("n", "null"))) == {"output": "b.json"}


def test_dynamic_blocks_at_every_depth(load_text: Load) -> None:
    template = load_text(
        """
variable "names" {
  default = { one = 1, two = 2 }
}
dynamic "source" {
  for_each = var.names
  iterator = each_name
  labels   = ["qemu", each_name.key]
  content {
    cpus = each_name.value
    dynamic "disk" {
      for_each = range(each_name.value)
      content {
        id = "${each_name.key}-${disk.value}"
      }
    }
  }
}
build {
  sources = ["qemu.one", "qemu.two"]
  dynamic "provisioner" {
    for_each = toset
    labels   = ["shell"]
    content {
      inline = [provisioner.value]
    }
  }
}
""".replace("toset", '["a", "b"]')
    )
    (build,) = template.builds
    two = build.sources[1].evaluate()
    assert clean(two) == {"cpus": 2}
    assert [plain(block.body) for block in two.body.blocks] == [{"id": "two-0"}, {"id": "two-1"}]
    runtime = RuntimeScope("x", "null")
    assert [clean(p.evaluate(runtime)) for p in build.provisioners] == [
        {"inline": ("a",)},
        {"inline": ("b",)},
    ]


def test_data_sources_are_unknown_until_given(load_text: Load) -> None:
    text = """
data "http" "keys" {
  url = "http://localhost/${local.path}"
}
locals {
  path = "keys"
  body = "${data.http.keys.body}!"
}
"""
    template = load_text(text)
    (block,) = template.data
    assert (block.type, block.name) == ("http", "keys")
    assert clean(block.evaluate()) == {"url": "http://localhost/keys"}
    assert template.local_values["body"].value is UNKNOWN
    given = load_text(text, data_values={"http": {"keys": {"body": "k"}}})
    assert given.local_values["body"].value == "k!"


def test_names_that_are_always_there(load_text: Load, tmp_path: Path) -> None:
    template = load_text(
        'locals {\n root = path.root\n at = timestamp()\n day = legacy_isotime("20060102")\n}\n'
    )
    assert template.local_values["root"].value == str(tmp_path)
    assert template.local_values["at"].value == "2024-05-06T07:08:09Z"
    assert template.local_values["day"].value == "20240506"
    assert template.root == tmp_path


def test_packer_block(load_text: Load) -> None:
    template = load_text("""
packer {
  required_version = ">= 1.7.0"
  required_plugins {
    qemu = {
      version = "~> 1"
      source  = "github.com/hashicorp/qemu"
    }
  }
}
""")
    assert template.required_version == ">= 1.7.0"
    assert [(p.name, p.version, p.source) for p in template.required_plugins] == [
        ("qemu", "~> 1", "github.com/hashicorp/qemu")
    ]


def test_secrets_of_errors_are_hidden(load_text: Load) -> None:
    text = 'variable "p" {\n default = "hunter2"\n sensitive = true\n}\nlocals {\n a = file(var.p)\n}\n'
    with pytest.raises(DiagnosticError) as caught:
        load_text(text)
    assert "hunter2" not in str(caught.value.diagnostics)


def test_parse_only_looks_at_syntax_alone(tmp_path: Path) -> None:
    (tmp_path / "a.pkr.hcl").write_text("locals {\n a = nope.b\n}\n")
    assert parse_only(tmp_path) == []
    (tmp_path / "b.pkr.hcl").write_text("locals {\n a = (\n}\n")
    assert len(parse_only(tmp_path)) == 1


def test_deep_nesting_is_an_error_not_a_crash(load_text: Load) -> None:
    for text in (
        "locals {\n a = " + "(" * 3000 + "1" + ")" * 3000 + "\n}\n",
        "locals {\n a = 1" + " + 1" * 3000 + "\n}\n",
    ):
        with pytest.raises(DiagnosticError, match="nested too deeply"):
            load_text(text)
