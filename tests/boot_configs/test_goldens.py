"""What each system's config comes to for sets of parameters, as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from boot_configs import BootConfig, Firmware, Rendered, load, names
from tests.boot_configs.parameter_sets import SETS, parameters


def pages(config: BootConfig, rendered: Rendered) -> Iterator[str]:
    for file in rendered.answer_files:
        kind = " ".join(filter(None, (file.kind, file.dialect)))
        yield f"=== {file.delivery} {file.path} ({kind})\n{file.text}"
    for firmware, command in rendered.boot_command.items():
        yield f"=== boot command, {firmware}\n" + "".join(f"{part}\n" for part in command)
    if rendered.unlock:
        yield f"=== unlock\n{rendered.unlock}\n"
    if rendered.kernel is not None:
        yield f"=== kernel\n{rendered.kernel.cmdline}\n"
    yield f"=== options\n{json.dumps(rendered.options, indent=2)}\n"
    yield f"=== label\n{rendered.label}\n"


def render(config: BootConfig, chosen: str) -> Rendered:
    firmware = Firmware.UEFI if chosen == "other" and Firmware.UEFI in config.boot else Firmware.BIOS
    return config.render(parameters(config, chosen), firmware=firmware, salt="saltsalt")


@pytest.mark.parametrize("chosen", SETS)
@pytest.mark.parametrize("name", names())
def test_a_config_renders(name: str, chosen: str, golden: Callable[[str, str], None]) -> None:
    config = load(name)
    rendered = render(config, chosen)
    golden(f"boot_configs/{name}/{chosen}.txt", "\n".join(pages(config, rendered)))
