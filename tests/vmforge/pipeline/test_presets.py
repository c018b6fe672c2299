"""A source with `boot_config`, planned: what the config supplies, and what is said where."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vmforge.pipeline.overrides import Override
from vmforge.pipeline.plan import Plan, Planner
from vmforge.sdk.registry import Registry
from vmforge.template import VariableInputs, load

STARTED = datetime(2026, 1, 2, tzinfo=UTC)


def planned(tmp_path: Path, options: str, *overrides: Override) -> tuple[Plan, list[Any]]:
    path = tmp_path / "t.pkr.hcl"
    path.write_text(
        f"""\
source "qemu" "it" {{
  iso_url      = "x.iso"
  iso_checksum = "none"
  {options}
}}
build {{ sources = ["qemu.it"] }}
"""
    )
    planner = Planner(load(path, VariableInputs(), started=STARTED), Registry(), STARTED, overrides=overrides)
    return planner.plan(), planner.diagnostics


def test_both_configurations_are_completed(tmp_path: Path) -> None:
    plan, found = planned(tmp_path, 'boot_config = "debian-12"\nmemory = 2048')
    assert found == []
    (build,) = plan.builds
    assert (build.builder.config.memory, build.builder.config.cpus) == (2048, 2)
    assert build.connector.config.ssh_username == "builder"
    assert build.connector.config.ssh_timeout.seconds == 3600


def test_old_names_of_options_win_as_well(tmp_path: Path) -> None:
    plan, _ = planned(tmp_path, 'boot_config = "debian-12"\nssh_wait_timeout = "7m"')
    assert plan.builds[0].connector.config.ssh_timeout.seconds == 420


def test_a_password_in_the_parameters_is_a_secret(tmp_path: Path) -> None:
    plan, _ = planned(tmp_path, 'boot_config = "debian-12"\nboot_params = { password = "geheim-7" }')
    assert "geheim-7" in plan.builds[0].secrets


def test_what_is_wrong_is_shown_at_its_place(tmp_path: Path) -> None:
    _, found = planned(tmp_path, 'boot_config = "debian-12"\n  boot_params = {\n    swap = "much"\n  }')
    (diagnostic,) = found
    assert diagnostic.summary == "`boot_params`: `swap`: `much` is not a size, as in `512M` or `8G`"
    assert (diagnostic.range.start.line, diagnostic.range.start.column) == (6, 12)


@pytest.mark.parametrize("name", ["debian-21", ""])
def test_an_unknown_config_is_one_error(tmp_path: Path, name: str) -> None:
    _, found = planned(tmp_path, f'boot_config = "{name}"\nssh_username = "x"')
    assert [d.summary for d in found] == (["there is no boot config `debian-21`"] if name else [])


def test_it_can_be_set_from_the_command_line(tmp_path: Path) -> None:
    plan, found = planned(tmp_path, "", Override.parse("boot_config=debian-12"))
    assert found == []
    assert plan.builds[0].connector.config.ssh_username == "builder"
