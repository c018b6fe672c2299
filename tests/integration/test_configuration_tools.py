"""Every configuration tool and test runner in a real Debian (half an hour without KVM): `pytest -m slow`.

Chef and InSpec are not among them: nothing that Debian, PyPI or npm has runs them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.integration import debian
from tests.integration.conftest import Finished, Vmforge

pytestmark = [pytest.mark.machine, pytest.mark.slow, pytest.mark.timeout(5400)]

TEMPLATE = Path(__file__).parent / "configuration_tools.pkr.hcl"
FILES = Path(__file__).parent / "configuration_tools"
MARK = "  # -- failures begin here --\n"
LIMIT = 5000.0


@pytest.fixture(scope="module")
def tools() -> dict[str, str]:
    """The template's variables."""
    return {
        "image": str(debian.image()),
        "mirror": debian.mirror(),
        "ansible": str(debian.ansible()),
        "testinfra": str(debian.testinfra()),
        "goss": str(debian.goss()),
        "salt": str(debian.salt()),
    }


@pytest.fixture(scope="module")
def layers(lasting: Path) -> Iterator[Path]:
    """The cache that these tests share: the tools are installed in the guest once."""
    if (named := debian.lasting_layers()) is not None:
        yield named
        return
    folder = Path(tempfile.mkdtemp(prefix="t-", dir=lasting))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def guest(vmforge: Vmforge, tools: dict[str, str], layers: Path) -> Vmforge:
    """A folder with the template and all that it names."""
    shutil.copy(TEMPLATE, vmforge.folder)
    shutil.copytree(FILES, vmforge.folder, dirs_exist_ok=True)
    vmforge.environment |= {f"PKR_VAR_{name}": value for name, value in tools.items()}
    vmforge.use_cache(layers)
    return vmforge


def build(guest: Vmforge) -> Finished:
    return guest.start("build", "-force", TEMPLATE.name).finish(LIMIT)


def test_each_of_them_changes_or_tests_the_guest(guest: Vmforge) -> None:
    ended = build(guest)
    assert ended.status == 0, (ended.out + ended.err)[-6000:]

    facts = guest.folder / "facts"
    said = {path.name: path.read_text().strip() for path in facts.iterdir() if path.is_file()}
    boots = [said.pop("first-boot"), said.pop("second-boot")]
    assert boots[0] != boots[1]
    assert said == {
        "shell": "it's one of debian",
        "content": "from the template",
        "ansible-direct": "from ansible, direct, debian, qemu",
        "ansible-proxy": "from ansible, proxy, debian, qemu",
        "ansible-local": "from ansible, local, debian, qemu",
        "puppet": "from puppet, it's web, debian",
        "salt": "from salt, web",
    }
    assert (facts / "payload" / "deep" / "note").read_text() == "from a folder\n"
    assert (facts / "payload" / "empty").read_bytes() == b""
    check_modes(guest.folder / "down" / "facts.tar.gz")
    check_report(guest.folder / "report.xml", guest)

    disk = guest.folder / "output-debian" / "packer-debian"
    assert subprocess.run(["qemu-img", "check", "-q", disk], check=False).returncode == 0


def check_modes(archive: Path) -> None:
    """Who owns what was made, as the guest has it."""
    with tarfile.open(archive) as tar:
        files = {member.name.removeprefix("./"): member for member in tar if member.isfile()}
    for name in ("ansible-direct", "ansible-proxy", "ansible-local", "puppet", "salt"):
        assert (files[name].uname, files[name].mode) == ("root", 0o640), name
    assert files["content"].uname == "debian" and files["content"].mode == 0o600


def check_report(path: Path, guest: Vmforge) -> None:
    """Each runner's tests are in it, as passed or skipped."""
    suites = {
        suite.get("name", "").removeprefix("qemu.debian: "): suite
        for suite in ET.parse(path).getroot().iter("testsuite")
    }
    counted = {
        name: tuple(int(suite.get(key, "-1")) for key in ("tests", "failures", "skipped"))
        for name, suite in suites.items()
    }
    assert counted.pop("tests/goss.yaml")[1:] == (0, 0)
    assert counted == {
        "inline": (2, 0, 0),
        "scripts": (1, 0, 0),
        "tests/made.bats": (3, 0, 1),
        "pytest": (3, 0, 0),
    }
    names = {case.get("name") for case in suites["tests/made.bats"].iter("testcase")}
    assert "ansible was here, image" in names
    said = " ".join(case.get("name", "") for case in suites["tests/goss.yaml"].iter("testcase"))
    assert "File: /var/made/salt: mode" in said and "Service: ssh: running" in said


PUPPET = """\
  provisioner "puppet-masterless" {
    manifest_file = "bad.pp"
  }
"""
SALT = """\
  provisioner "salt-masterless" {
    local_state_tree = "bad"
    custom_state     = "bad"
  }
"""
ANSIBLE = """\
  provisioner "ansible" {
    playbook_file = "bad.yml"
    command       = var.ansible
  }
"""
FAILURES = {
    "puppet": (
        PUPPET,
        {"bad.pp": "file { '/none/such': content => 'x' }\n"},
        r"`puppet` ended with exit status 4",
        r"/none",
    ),
    "salt": (
        SALT,
        {"bad/bad.sls": "/none/such:\n  file.managed:\n    - contents: x\n"},
        r"`salt-call` ended with exit status \d",
        r"Result: False",
    ),
    "ansible": (
        ANSIBLE,
        {"bad.yml": "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: test -e /none\n"},
        r"`ansible-playbook` ended with exit status 2",
        r"fatal: \[default\]: FAILED!",
    ),
}


def put_at_end(guest: Vmforge, provisioners: str, files: dict[str, str]) -> None:
    """Provisioners in the place of those that follow the installation of the tools."""
    template = guest.folder / TEMPLATE.name
    kept, mark, _ = template.read_text().partition(MARK)
    assert mark
    template.write_text(f"{kept}{provisioners}}}\n")
    for name, content in files.items():
        path = guest.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize("tool", FAILURES)
def test_what_a_tool_could_not_do_fails_the_build(guest: Vmforge, tool: str) -> None:
    provisioners, files, message, shown = FAILURES[tool]
    put_at_end(guest, provisioners, files)
    ended = build(guest)
    assert ended.status == 1, ended.out + ended.err
    assert re.search(message, ended.err), ended.err
    assert re.search(shown, ended.out + ended.err), ended.out + ended.err
    assert not (guest.folder / "output-debian").exists()


TESTS = """\
  provisioner "shell" {
    name   = "before"
    inline = ["echo here >/tmp/before"]
  }
  provisioner "test" {
    inline      = ["true"]
    goss_file   = "bad.yaml"
    junit       = "report.xml"
  }
"""


def test_a_test_that_fails_keeps_the_layer_to_look_at(guest: Vmforge) -> None:
    put_at_end(
        guest, TESTS, {"bad.yaml": "file:\n  /none:\n    exists: true\n  /tmp/before:\n    exists: true\n"}
    )
    ended = build(guest)
    assert ended.status == 1, ended.out + ended.err
    assert "1 of 3 tests failed: `File: /none: exists`" in ended.err
    assert "`vmforge shell STEP TEMPLATE`" in ended.err
    report = (guest.folder / "report.xml").read_text()
    assert report.count("<failure") == 1

    looked = subprocess.run(
        [sys.executable, "-m", "vmforge", "shell", "before", TEMPLATE.name],
        cwd=guest.folder,
        env=guest.environment,
        input="echo was-$(cat /tmp/before)\n",
        check=False,
        capture_output=True,
        text=True,
    )
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert "was-here" in looked.stdout
