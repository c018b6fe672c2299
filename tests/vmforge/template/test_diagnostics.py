"""What users read when a template is wrong, as goldens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmforge.diagnostics import DiagnosticError, read_source_line, render
from vmforge.template import Template

SYNTAX = """\
variable "user" {
  default = 'root'
}
locals {
  list = [1, 2
  name = "abc
  text = "a \\q b"
  map  = { a : 1 b : 2 }
  same = 1
  same = 2
}
source "qemu" "x" { cpus = 2, memory = 512 }
source "qemu" "${var.y}" {
}
build {
  sources: ["source.qemu.x"]
  provisioner "shell"
  {
  }
}
"""

DECLARATIONS = """\
variable "user" {
  type = strng
  sensitiv = true
}
variable "count" {
  type    = number
  default = "many"
}
variable "count" {
  default = upper("x")
}
variabel "x" {
}
local "secret" {
}
packer {
  required_version = var.count
}
name = "x"
"""

REFERENCES = """\
variable "password" {
  default   = "open sesame"
  sensitive = true
}
variable "needed" {
}
variable "size" {
  type    = number
  default = 5
  validation {
    condition     = var.size > 10
    error_message = "The size must be larger than 10."
  }
}
locals {
  a = local.b
  b = "${local.a}"
  c = vra.user
  d = var.pasword
  e = upper(["x"])
  f = "x${[1]}"
  g = [1, 2][5]
  h = local.l-1
  i = file("${var.password}.txt")
  j = build.ID
  k = true ? [1] : {a = 1}
  l = 1 / 0
  m = { a = 1 }.b
  n = uper("x")
  o = env("HOME")
  p = substr("a", 1)
}
"""

BUILDS = """\
source "qemu" "x" {
}
build {
  sources = ["source.qemu.y", "qemu"]
  provisioner {
  }
  provisoner "shell" {
  }
  provisioner "shell" {
    only         = ["qemu.x"]
    except       = ["qemu.x"]
    pause_before = "5 minutes"
    max_retries  = -1
  }
  post-processor "manifest" "two" {
  }
  error-cleanup-provisioner "shell" {
  }
  error-cleanup-provisioner "shell" {
  }
  dynamic "provisioner" {
    for_each = 5
    content {
    }
  }
}
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [("syntax", SYNTAX), ("declarations", DECLARATIONS), ("references", REFERENCES), ("builds", BUILDS)],
)
def test_findings(
    name: str,
    text: str,
    load_text: Callable[..., Template],
    golden: Callable[[str, str], None],
    tmp_path: Path,
) -> None:
    with pytest.raises(DiagnosticError) as caught:
        load_text(text)
    shown = "\n\n".join(render(d, read_source_line) for d in caught.value.diagnostics) + "\n"
    golden(f"template/{name}.txt", shown.replace(f"{tmp_path}/", "").replace(str(tmp_path), "FOLDER"))
