"""Secrets among Ansible's arguments are no part of its command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vmforge.provisioners.ansible.arguments import out_of_sight


def hide(text: str) -> str:
    return text.replace("CANARY", "<sensitive>")


@pytest.mark.parametrize(
    ("arguments", "shown", "written"),
    [
        (["-vvv", "-e", "a=b"], ["-vvv", "-e", "a=b"], None),
        (["-e", "a=b pw='CANARY 1'"], ["-e", "@{}/secrets-1.json"], {"a": "b", "pw": "CANARY 1"}),
        (["--extra-vars=pw=CANARY"], ["--extra-vars=@{}/secrets-0.json"], {"pw": "CANARY"}),
        (["-epw=CANARY"], ["-e@{}/secrets-0.json"], {"pw": "CANARY"}),
        (["--extra-vars", '{"pw": "CANARY"}'], ["--extra-vars", "@{}/secrets-1.json"], {"pw": "CANARY"}),
        (["-e", "@CANARY.yml"], ["-e", "@CANARY.yml"], None),
        (["--tags", "CANARY"], ["--tags", "CANARY"], None),
        (["-e", "-e", "pw=CANARY"], ["-e", "-e", "pw=CANARY"], None),
    ],
)
def test_arguments(
    arguments: list[str], shown: list[str], written: dict[str, str] | None, tmp_path: Path
) -> None:
    assert out_of_sight(arguments, hide, tmp_path) == [text.format(tmp_path) for text in shown]
    files = list(tmp_path.iterdir())
    assert [json.loads(path.read_text()) for path in files] == ([written] if written else [])
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
