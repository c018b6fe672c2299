"""The `test` provisioner: each kind of test, the report, and what a failure is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from vmforge.errors import CommandFailed, CommunicatorError, HostError, VmforgeError
from vmforge.provisioners.guest_tests import GuestTestProvisioner
from vmforge.provisioners.guest_tests.report import Case, Outcome, Suite, read_junit, write_junit
from vmforge.provisioners.guest_tests.tap import TapReader
from vmforge.sdk.redaction import Redactor
from vmforge.sdk.testing import configure

Guest = Any


def run(guest: Guest, **options: Any) -> None:
    guest.run(GuestTestProvisioner, remote_folder=str(guest.folder / "tmp"), **options)


def test_each_command_is_a_test(guest: Guest, work: Path) -> None:
    with pytest.raises(CommandFailed) as caught:
        run(guest, inline=["true", "echo oops; exit 3", "test -d /"], junit="out/report.xml", suite="web")
    assert caught.value.message == "1 of 3 tests failed: `echo oops; exit 3`"
    assert "vmforge shell" in caught.value.hint
    (suite,) = ET.parse(work / "out" / "report.xml").getroot()
    assert suite.get("name") == "web: inline" and suite.get("tests") == "3" and suite.get("failures") == "1"
    (failure,) = suite.iter("failure")
    assert failure.text == "exit status 3\noops"
    assert [case.get("name") for case in suite] == ["true", "echo oops; exit 3", "test -d /"]
    assert list((guest.folder / "tmp").iterdir()) == []


def test_secrets_are_not_in_the_report(make_guest: Callable[..., Guest], work: Path) -> None:
    redactor = Redactor()
    redactor.add(["s3cret-pass"])
    guest = make_guest(changes={"hide": redactor})
    with pytest.raises(CommandFailed):
        run(guest, inline=["echo s3cret-pass; false"], junit="report.xml", suite="of s3cret-pass")
    report = (work / "report.xml").read_text()
    assert "s3cret-pass" not in report and report.count("sensitive") == 4


def test_scripts_and_their_surroundings(guest: Guest, work: Path) -> None:
    (work / "check.sh").write_text('#!/bin/sh\n[ "$ROLE" = "it\'s web" ]\n')
    guest.has_sudo()
    run(guest, scripts=["check.sh"], env={"ROLE": "it's web"}, execute_command="sudo -E {{ .Command }}")
    assert guest.ui.texts("message") == ["passed: check.sh", "1 tests passed"]
    assert "sudo -E env" in (guest.folder / "sudo").read_text()


@pytest.mark.skipif(shutil.which("bats") is None, reason="needs bats: apt-get install bats")
def test_the_real_bats(guest: Guest, work: Path) -> None:
    (work / "web.bats").write_text(
        '@test "good" {\n  true\n}\n@test "bad # one" {\n  echo why\n  false\n}\n'
        '@test "later" {\n  skip "no network"\n}\n'
    )
    with pytest.raises(CommandFailed) as caught:
        run(guest, bats=["web.bats"], junit="report.xml")
    assert caught.value.message == "1 of 3 tests failed: `bad # one`"
    (suite,) = read_junit(work / "report.xml")
    good, bad, later = suite.cases
    assert (good.outcome, later.outcome, later.text) == (Outcome.PASSED, Outcome.SKIPPED, "no network")
    assert "`false' failed" in bad.text and "why" in bad.text


def test_goss(guest: Guest, work: Path) -> None:
    (work / "goss.yaml").write_text("port: {}")
    (work / "vars.yaml").write_text("a: 1")
    guest.has("goss")
    points = (
        "1..3",
        "ok 1 - Port: tcp:22: listening: matches",
        "ok 2 - # SKIP File: /x: mode",
        "ok 3 - Group: a",
    )
    guest.answers("goss", 0, "\n".join(points))
    run(guest, goss_file="goss.yaml", goss_vars="vars.yaml")
    assert guest.call.arguments[-3:] == ["validate", "--format", "tap"]
    assert Path(guest.call.arguments[1]).name == "goss.yaml"
    assert Path(guest.call.arguments[3]).name == "vars.yaml"
    assert guest.ui.texts("message") == ["2 tests passed, 1 skipped"]


def test_a_test_of_goss_is_called_the_same_whether_it_passes_or_not(guest: Guest, work: Path) -> None:
    (work / "goss.yaml").write_text("")
    guest.has("goss")
    points = (
        "1..2",
        "ok 1 - Command: echo a: b: exit-status: matches expectation: 0",
        "not ok 2 - Service: ssh: running: Expected false to equal true",
    )
    guest.answers("goss", 1, "\n".join(points))
    with pytest.raises(CommandFailed, match="1 of 2 tests failed: `Service: ssh: running`"):
        run(guest, goss_file="goss.yaml", junit="report.xml")
    (suite,) = read_junit(work / "report.xml")
    passed, failed = suite.cases
    assert passed.name == "Command: echo a: b: exit-status" and passed.text == ""
    assert failed.text == "Expected false to equal true"


def test_a_goss_of_this_machine(guest: Guest, work: Path) -> None:
    (work / "goss.yaml").write_text("")
    (work / "my-goss").write_text('#!/bin/sh\necho 1..1\necho "ok 1 - $(basename "$0") $ROLE"\n')
    run(guest, goss_file="goss.yaml", goss_binary="my-goss", env={"ROLE": "web"}, junit="report.xml")
    (suite,) = read_junit(work / "report.xml")
    assert suite.cases == [Case("goss web", Outcome.PASSED)]


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (127, "sh: goss: not found\n", "`goss` is not in the guest"),
        (78, "cannot read the file\n", "1 of 1 tests failed: `goss runs to its end`"),
        (0, "1..2\nok 1 - a\n", "1 of 2 tests failed: `goss runs to its end`"),
        (0, "1..0\n", "no test ran"),
    ],
)
def test_a_program_that_says_too_little(
    guest: Guest, work: Path, status: int, text: str, message: str
) -> None:
    (work / "goss.yaml").write_text("")
    guest.has("goss")
    guest.answers("goss", status, text)
    with pytest.raises(CommandFailed) as caught:
        run(guest, goss_file="goss.yaml", junit="report.xml")
    assert caught.value.message == message
    assert (work / "report.xml").is_file()


def test_testinfra(make_guest: Callable[..., Guest], work: Path) -> None:
    """With a program in its place, which writes the report that pytest would."""
    data = {"Host": "127.0.0.1", "Port": "2222", "User": "vagrant", "SSHPrivateKeyFile": "/key"}
    guest = make_guest(data=data)
    (work / "test_web.py").write_text("")
    settings = guest.folder / "settings"
    pytest_in_its_place = work / "py"
    pytest_in_its_place.write_text(
        "#!/bin/sh\n"
        'for a in "$@"; do case "$a" in --junit-xml=*) report="${a#*=}";;\n'
        f'  --ssh-config=*) cp "${{a#*=}}" {settings};; esac; done\n'
        "cat >\"$report\" <<'EOF'\n"
        '<testsuites><testsuite name="pytest"><testcase name="a" time="0.5"/>\n'
        '<testcase name="b"><failure message="no">no port</failure></testcase></testsuite></testsuites>\n'
        "EOF\nexit 1\n"
    )
    pytest_in_its_place.chmod(0o755)
    with pytest.raises(CommandFailed, match="1 of 2 tests failed: `b`"):
        run(guest, testinfra=["test_web.py"], testinfra_command=[str(pytest_in_its_place), "-q"])
    text = settings.read_text()
    assert "HostName 127.0.0.1\n  Port 2222\n  User vagrant\n  IdentityFile /key\n" in text
    assert guest.commands == []


def test_testinfra_that_does_not_run(make_guest: Callable[..., Guest], work: Path) -> None:
    (work / "test_web.py").write_text("")
    guest = make_guest(data={"Host": "127.0.0.1", "Port": "2", "User": "u", "SSHPrivateKeyFile": "/key"})
    guest.has("pytest")
    guest.answers("pytest", 4)
    with pytest.raises(CommandFailed, match="testinfra ended with exit status 4"):
        run(guest, testinfra=["test_web.py"])
    with pytest.raises(HostError, match="`no-such-program` cannot be started"):
        run(guest, testinfra=["test_web.py"], testinfra_command=["no-such-program"])


# testinfra would join this very run, if it were installed beside it
TESTINFRA = os.environ.get("VMFORGE_TESTINFRA", "")


@pytest.mark.skipif(not TESTINFRA, reason="needs VMFORGE_TESTINFRA, the path of a pytest that has testinfra")
def test_the_real_testinfra(make_guest: Callable[..., Guest], work: Path, sshd: Any) -> None:
    (work / "test_web.py").write_text(
        "def test_good(host):\n    assert host.file('/').is_directory\n"
        "def test_bad(host):\n    assert host.file('/none').exists\n"
    )
    guest = make_guest(data=sshd.data)
    with pytest.raises(CommandFailed, match=r"1 of 2 tests failed: `test_bad\[ssh"):
        run(guest, testinfra=["test_web.py"], testinfra_command=[TESTINFRA])


def test_a_lost_guest_is_no_failed_test(make_guest: Callable[..., Guest], work: Path) -> None:
    def answer(command: str) -> tuple[int, str]:
        if "second" in command:
            raise CommunicatorError("gone")
        done = subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True)
        return done.returncode, done.stdout

    guest = make_guest(answer=answer)
    (work / "script").write_text("exit 0")
    with pytest.raises(CommunicatorError):
        run(guest, scripts=["script"], inline=["true; : second"], junit="report.xml")
    assert ET.parse(work / "report.xml").getroot().tag == "testsuites"


def test_windows_is_said_to_be_no_subject(make_guest: Callable[..., Guest], work: Path) -> None:
    with pytest.raises(VmforgeError, match="knows nothing of Windows"):
        run(make_guest(kind="winrm"), inline=["true"])


def test_what_layers_make_of_it(work: Path) -> None:
    (work / "a.sh").write_text("")
    for options, cacheable, for_artifact in (
        ({}, True, False),
        ({"junit": "report.xml"}, False, False),
        ({"on": "artifact", "junit": "report.xml"}, True, True),
    ):
        made = configure(GuestTestProvisioner, {"scripts": ["a.sh"], **options})
        assert isinstance(made, GuestTestProvisioner)
        assert (made.cacheable, made.for_artifact) == (cacheable, for_artifact)
        assert list(made.input_files()) == [Path("a.sh")]


def test_what_is_wrong_is_said_before_the_build(work: Path) -> None:
    for options, part in (
        ({}, "there is nothing to test"),
        ({"scripts": ["none"]}, "`none`"),
        ({"bats": ["no-bats"]}, "`no-bats`"),
        ({"inline": ["true"], "goss_vars": "no-vars"}, "no effect without `goss_file`"),
        ({"inline": ["true"], "execute_command": "{{ .Oops }}"}, "Oops"),
        ({"inline": ["true"], "env": {"A=B": "1"}}, "`A=B` cannot be"),
        ({"testinfra": ["."], "testinfra_command": []}, "`testinfra_command` is empty"),
    ):
        with pytest.raises(ValueError, match=part):
            configure(GuestTestProvisioner, options)


def test_test_points() -> None:
    reader = TapReader()
    for line in (
        "TAP version 13",
        "1..6",
        "ok 1 plain",
        "not ok 2 - with a dash in 12ms",
        "# because",
        "# of that",
        "ok 3 # SKIP no reason needed",
        "not ok 4 later # TODO one day",
        "ok",
        "okay this is no test point",
    ):
        reader.read(line)
    assert reader.cases == [
        Case("plain", Outcome.PASSED),
        Case("with a dash", Outcome.FAILED, "because\nof that", 0.012),
        Case("no reason needed", Outcome.SKIPPED, "no reason needed"),
        Case("later", Outcome.SKIPPED, "one day"),
        Case("unnamed", Outcome.PASSED),
    ]
    assert reader.missing == 1


def test_a_report_holds_only_what_xml_may(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    write_junit(path, [Suite("a\x1b[1m", [Case("b\x00", Outcome.FAILED, "c\x07\nd <&>")])])
    (suite,) = read_junit(path)
    assert suite.cases == [Case("b\ufffd", Outcome.FAILED, "c\ufffd\nd <&>")]
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.xml"]


def test_reports_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_text("<testsuites>")
    with pytest.raises(VmforgeError, match="cannot be read"):
        read_junit(tmp_path / "bad.xml")
    with pytest.raises(HostError, match="cannot be written"):
        write_junit(tmp_path / "bad.xml" / "report.xml", [])
