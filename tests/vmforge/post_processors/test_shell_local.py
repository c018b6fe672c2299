"""The `shell-local` post-processor: the provisioner's commands, with an artifact that passes through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed
from vmforge.post_processors.shell_local import ShellLocalPostProcessor
from vmforge.sdk import FileArtifact, PostProcessor, Processed
from vmforge.sdk.testing import RecordingUi, configure, fake_context

BUILT = FileArtifact("transcend.qemu", "VM", (Path("disk"),), "a disk")


def process(folder: Path, ui: RecordingUi, **options: Any) -> Processed:
    component = configure(ShellLocalPostProcessor, options)
    assert isinstance(component, PostProcessor)
    data = {"PackerHTTPAddr": "10.0.2.2:8001", "ID": "42"}
    return component.process(fake_context(folder, ui=ui, data=data), BUILT)


def test_the_build_s_values(tmp_path: Path) -> None:
    ui = RecordingUi()
    script = "echo $PACKER_BUILD_NAME $PACKER_BUILDER_TYPE $PACKER_HTTP_ADDR $OWN"
    made = process(tmp_path, ui, inline=[script], environment_vars=["OWN=1"])
    assert ui.texts("stdout") == ["base qemu 10.0.2.2:8001 1"]
    assert made.artifact is BUILT
    assert made.keep_input and made.must_keep


def test_a_failure(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="the inline script ended with exit status 3"):
        process(tmp_path, RecordingUi(), inline=["exit 3"])


def test_wrong_options() -> None:
    with pytest.raises(ValueError, match="there is nothing to run"):
        configure(ShellLocalPostProcessor, {})
