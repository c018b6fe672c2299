"""`vmforge console`: a result for each line, as Packer's console prints it (compared with 1.6.6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

TEMPLATE = """\
variable "name" {
  default = "x"
}

variable "unset" {
  type = string
}

variable "key" {
  default   = "hunter2"
  sensitive = true
}

locals {
  list = [1, "a", true]
  map  = { a = 1, b = "x" }
}

data "null" "d" {
  input = "y"
}
"""

LINES = """\
var.name
local.list
  upper("${var.name}y")

var.unset
data.null.d.output
var.key
"prefix ${sensitive("made up")}"
foo.bar
1 +
local.lists
"a\\nb"
[1e30, 1 / 3, 12345678.5]
{ "a b" = null, c = [] }
[for k, v in local.map : "${k}=${v}"]
variables
help
exit
var.name
"""


@pytest.fixture(autouse=True)
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.pkr.hcl").write_text(TEMPLATE)
    Path("l.json").write_text('{"variables": {"a": "x"}, "builders": [{"type": "null"}]}')


def test_every_line_has_its_result(vmforge: Run, golden: Callable[[str, str], None]) -> None:
    golden("console/hcl.txt", vmforge("console", "t.pkr.hcl", stdin=LINES.encode()).text)


def test_variables_are_those_of_the_command_line(vmforge: Run) -> None:
    Path("v.pkrvars.json").write_text('{"name": "from the file"}')
    lines = b'"${var.unset} ${var.name}"'
    done = vmforge("console", "-var", "unset=u", "-var-file=v.pkrvars.json", "t.pkr.hcl", stdin=lines)
    assert done.text == "[0]\n--- out\nu from the file\n--- err\n"


def test_without_a_template(vmforge: Run, golden: Callable[[str, str], None]) -> None:
    lines = b"max(1, 2)\nvar.x\nvariables\npath.root == path.cwd\n\xff\n1\n"
    texts = [vmforge("console", stdin=lines).text, vmforge("console", "-var", "a=1").text]
    golden("console/no-template.txt", "\n".join(texts))


def test_a_legacy_template(vmforge: Run, golden: Callable[[str, str], None]) -> None:
    lines = b"{{user `a`}}-{{upper `q`}}\n{{foo}}\nplain\nvariables\n"
    golden("console/legacy.txt", vmforge("console", "l.json", stdin=lines).text)
