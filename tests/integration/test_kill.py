"""kill -9 in the middle of a build: the next run ends what is left, and succeeds."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Traces, Vmforge

pytestmark = pytest.mark.machine


def test_the_next_run_clears_up_and_builds(tiny: Vmforge, traces: Traces) -> None:
    dead = tiny.start("build", "tiny.pkr.hcl")
    dead.wait_for("installer fetched")
    dead.kill()
    dead.finish()
    assert (tiny.folder / "output-tiny").exists(), "nothing to clear up, so nothing is shown"

    ended = tiny.run("build", "tiny.pkr.hcl")
    assert ended.status == 0, ended.out + ended.err
    left = [path for path in traces.left() if "/output-tiny" not in path and not path.endswith("tiny.sha256")]
    assert left == []
    assert sorted(path.name for path in (tiny.folder / "output-tiny").iterdir()) == ["packer-tiny"]
