"""`vmforge os`: the systems, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boot_configs


def test_the_list_names_every_system(vmforge: Callable[..., Any]) -> None:
    finished = vmforge("os", "list")
    lines = finished.out.splitlines()
    assert [line.split()[0] for line in lines] == list(boot_configs.names())
    assert "debian-12  " in finished.out and "Debian 12 (bookworm)" in finished.out


def test_the_list_for_programs(vmforge: Callable[..., Any]) -> None:
    listed = json.loads(vmforge("os", "list", "--json").out)
    (debian,) = (entry for entry in listed if entry["name"] == "debian-12")
    assert debian == {
        "name": "debian-12",
        "title": "Debian 12 (bookworm)",
        "family": "debian",
        "version": "12",
        "codename": "bookworm",
        "aliases": ["debian-bookworm", "bookworm", "debian12"],
    }


def test_a_system_is_shown(vmforge: Callable[..., Any], golden: Callable[[str, str], None]) -> None:
    golden("os/show-debian-12.txt", vmforge("os", "show", "bookworm").text)


def test_a_system_is_shown_to_programs(
    vmforge: Callable[..., Any], golden: Callable[[str, str], None]
) -> None:
    golden("os/show-debian-12.json", vmforge("os", "show", "debian-12", "--json").out)


def test_an_unknown_system_is_wrong_usage(vmforge: Callable[..., Any]) -> None:
    finished = vmforge("os", "show", "debian-21")
    assert finished.status == 2
    assert "there is no boot config `debian-21`" in finished.err
    assert "did you mean `debian-" in finished.err
