"""The examples of docs/provisioners.md and docs/cloud-init.md are valid; each provisioner is on the first."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vmforge.sdk.registry import Kind, Registry

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/provisioners.md").read_text(encoding="utf-8")
PAGES = PAGE + (ROOT / "docs/cloud-init.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```hcl( source)?\n(.*?)```", PAGES, re.DOTALL)
TEMPLATE = (
    'source "null" "base" {{\n  communicator = "none"\n}}\nbuild {{\n  sources = ["null.base"]\n{}\n}}\n'
)
# What the examples name; `/` at the end makes a folder.
FILES = (
    "site/",
    "tests/firewall.sh",
    "tests/web.bats",
    "tests/goss.yaml",
    "tests/test_web.py",
    "ansible/site.yml",
    "ansible/requirements.yml",
    "ansible/roles/web/",
    "ansible/group_vars/",
    "puppet/site.pp",
    "puppet/hiera.yaml",
    "puppet/modules/",
    "salt/states/",
    "salt/pillars/",
    "chef/cookbooks/",
    "chef/validator.pem",
)


@pytest.mark.parametrize(("kind", "example"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_valid(tmp_path: Path, kind: str, example: str) -> None:
    for name in FILES:
        path = tmp_path / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_text("")
    template = tmp_path / "t.pkr.hcl"
    alone = f'{example}\nbuild {{\n  sources = ["qemu.cloud"]\n}}\n'
    template.write_text(alone if kind else TEMPLATE.format(example))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VMFORGE_STATE_DIR": str(tmp_path / "state")}
    ended = subprocess.run(
        [sys.executable, "-m", "vmforge", "validate", str(template)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", Registry().names(Kind.PROVISIONER))
def test_a_provisioner_is_on_the_page(name: str) -> None:
    assert re.search(rf"^\| \[?{name}\b.*\|", PAGE, re.MULTILINE)
