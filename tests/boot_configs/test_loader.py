"""Names and aliases, and what a system's file makes of its family's."""

from __future__ import annotations

from pathlib import Path

import pytest

import boot_configs
from boot_configs import Delivery, Firmware, UnknownName, load, names

HOME = Path(boot_configs.__file__).parent


def test_versions_are_sorted_by_their_numbers() -> None:
    debian = [name for name in names() if name.startswith("debian-")]
    assert debian == ["debian-11", "debian-12", "debian-13"]


@pytest.mark.parametrize(
    ("alias", "name"),
    [("debian-bookworm", "debian-12"), ("BOOKWORM", "debian-12"), ("ubuntu-24.04-server", "ubuntu-24.04")],
)
def test_an_alias(alias: str, name: str) -> None:
    assert load(alias).name == name


def test_an_alias_means_one_system() -> None:
    aliases = [alias for name in names() for alias in load(name).aliases]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & set(names())


def test_an_unknown_name() -> None:
    with pytest.raises(UnknownName, match="there is no boot config `debain-12`") as raised:
        load("debain-12")
    assert raised.value.hint == "did you mean `debian-12`?"
    with pytest.raises(UnknownName) as raised:
        load("../families/debian/family")
    assert raised.value.hint


def test_a_system_s_file_goes_before_its_family_s() -> None:
    old, new = load("ubuntu-20.04"), load("ubuntu-24.04")
    assert "minimal" in new.parameters and "minimal" not in old.parameters
    assert old.values["mirrors"] == "primary"
    assert old.options["memory"] == 2048
    assert old.options["cpus"] == new.options["cpus"]
    assert old.boot[Firmware.BIOS] != new.boot[Firmware.BIOS]
    assert old.boot[Firmware.UEFI] == new.boot[Firmware.UEFI]
    assert new.deliveries == (Delivery.HTTP, Delivery.CD)


@pytest.mark.parametrize("name", names())
def test_a_config_is_whole(name: str) -> None:
    config = load(name)
    assert config.title and config.version and config.answer_files
    assert config.iso.page.startswith("https://") and config.iso.file
    assert config.iso.volume_id or config.iso.info
    assert config.boot or config.kernel


def test_every_template_is_used() -> None:
    used = {file.template for name in names() for file in load(name).answer_files}
    texts = "".join(path.read_text(encoding="utf-8") for path in HOME.glob("families/**/*.j2"))
    for path in HOME.glob("families/**/*.j2"):
        assert path.name in used or path.name in texts, path
