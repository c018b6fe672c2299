"""Commands about one template, from the command line to the exit status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.cli.app import run
from vmforge.sdk.compatibility import PACKER_VERSION

Write = Callable[[str], str]
Run = Callable[..., Any]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VMFORGE_STATE_DIR", str(tmp_path / "state"))

    def of(text: str) -> str:
        (tmp_path / "main.pkr.hcl").write_text(text, encoding="utf-8")
        return "main.pkr.hcl"

    return of


WITH_DATA = """
data "null" "text" { input = "from data" }
source "file" "x" {
  target  = "out.txt"
  content = data.null.text.output
}
build {
  sources = ["file.x"]
}
"""


def test_a_build_reads_data_sources(write: Write, tmp_path: Path) -> None:
    assert run(["build", write(WITH_DATA)]) == 0
    assert (tmp_path / "out.txt").read_text() == "from data"


UNREACHABLE = """
data "http" "page" { url = "http://127.0.0.1:1/" }
source "null" "x" { communicator = "none" }
build {
  sources = ["null.x"]
}
"""


def test_validate_reads_data_sources_only_when_asked(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    template = write(UNREACHABLE)
    assert run(["validate", template]) == 0
    assert run(["validate", "-evaluate-datasources", template]) == 1
    error = capsys.readouterr().err
    assert "data source `http.page`: cannot read `http://127.0.0.1:1/`" in error
    assert "main.pkr.hcl:2:1" in error


def test_validate_checks_how_data_sources_are_declared(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", write(UNREACHABLE.replace("url", "uri"))]) == 1
    assert "did you mean `url`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("constraint", "status", "text"),
    [
        (f"<= {PACKER_VERSION}", 0, "valid"),
        ("~> 1.9", 0, "valid"),
        (">= 99.0", 1, f"needs Packer `>= 99.0`; vmforge reads the language of {PACKER_VERSION}"),
        ("=> 1", 1, "is no version"),
    ],
)
def test_the_version_that_a_template_requires(
    constraint: str, status: int, text: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    template = write(f'packer {{\n  required_version = "{constraint}"\n}}\n{WITH_DATA}')
    assert run(["validate", template]) == status
    shown = capsys.readouterr()
    assert text in shown.out + shown.err
    assert status == 0 or "main.pkr.hcl:2:22" in shown.err


def test_a_plugins_version_must_be_a_constraint(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    plugins = (
        'packer {\n  required_plugins {\n    qemu = { version = "newest", source = "x/y/qemu" }\n  }\n}\n'
    )
    assert run(["validate", write(plugins + WITH_DATA)]) == 1
    assert "`version` of plugin `qemu`: `newest` is no version" in capsys.readouterr().err


def test_inspect_hides_secrets_and_shows_that_one_is_empty(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"set": 'default = "hunter2"', "empty": 'default = ""', "absent": "type = string"}
    blocks = [f'variable "{n}" {{\n  sensitive = true\n  {v}\n}}\n' for n, v in names.items()]
    named = 'provisioner "shell" {\n    name = "first"\n  }'
    build = f'source "null" "x" {{}}\nbuild {{\n  sources = ["null.x"]\n  {named}\n}}\n'
    assert run(["inspect", write("".join(blocks) + build)]) == 0
    out = capsys.readouterr().out
    assert 'var.set: "<sensitive>"' in out
    assert 'var.empty: ""' in out
    assert 'var.absent: "<unknown>"' in out
    assert "      shell.first\n" in out


@pytest.mark.parametrize("command", ["validate", "build"])
def test_flags_that_packers_users_give_are_accepted(command: str, write: Write) -> None:
    template = write(WITH_DATA)
    assert run([command, "-ignore-prerelease-plugins", "-use-sequential-evaluation", template]) == 0


def test_a_wrong_policy_is_refused_before_anything_is_read(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["build", "-on-error=retry", write("this is no template")]) == 2
    assert "`-on-error=retry` is none of `cleanup`" in capsys.readouterr().err


def test_findings_in_standard_input_show_their_line(vmforge: Run, golden: Callable[[str, str], None]) -> None:
    broken = b'{\r\n  "builders": [{"type": "null",}]\r\n}'
    wrong = b'{"builders": [{"type": "null", "communicator": "none",\n\t"wrong": ["\xc3\xa4"]}]}'
    twice = b'{"builders": [\n  {"type": "null"},\n  {"type": "null"}\n]}'
    texts = [vmforge("validate", "-", stdin=text).text for text in (broken, wrong, b"[]")]
    texts.append(vmforge("inspect", "-", stdin=twice).text)
    golden("template/standard_input.txt", "\n".join(texts))


def test_numbers_of_any_length_are_written(vmforge: Run, write: Write) -> None:
    template = write(
        'locals {\n  n = 1e5000\n  t = format("%d", 1e5000)\n}\n'
        'source "file" "x" {\n  target = "x"\n  content = 1e5000\n}\n'
        'build {\n  sources = ["file.x"]\n}\n'
    )
    for command in (["inspect"], ["inspect", "--json"], ["validate"]):
        assert vmforge(*command, template).status == 0, command
    done = vmforge("console", stdin=b'indent(1e400, "x")\n[1][1e5000]\n')
    assert done.status == 1
    assert "too many" in done.err and "there is no element 1000" in done.err
