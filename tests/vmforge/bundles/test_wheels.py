"""vmforge's own wheel, of an installation; what pip does is in the integration tests."""

from __future__ import annotations

import subprocess
import sys
import threading
import zipfile
from importlib.metadata import PathDistribution

import pytest

from vmforge.bundles.wheels import WheelMaker, _repacked
from vmforge.errors import HostError, Interrupted
from vmforge.sdk.cancellation import Cancellation

METADATA = "Metadata-Version: 2.1\nName: vmforge\nVersion: 9.9\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def installed(tmp_path):
    """A package as pip leaves it, with all that pip adds."""
    files = {
        "vmforge/__init__.py": "__version__ = '9.9'\n",
        "vmforge/data/a.txt": "a",
        "vmforge/__pycache__/x.cpython-311.pyc": "compiled",
        "vmforge-9.9.dist-info/METADATA": METADATA,
        "vmforge-9.9.dist-info/WHEEL": WHEEL,
        "vmforge-9.9.dist-info/INSTALLER": "pip\n",
        "vmforge-9.9.dist-info/REQUESTED": "",
        "vmforge-9.9.dist-info/direct_url.json": "{}",
        "vmforge-9.9.dist-info/entry_points.txt": "[console_scripts]\nvmforge = vmforge.cli:main\n",
    }
    site = tmp_path / "site"
    for name, content in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(content)
    record = site / "vmforge-9.9.dist-info" / "RECORD"
    record.write_text(
        "".join(f"{name},,\n" for name in [*files, "../../bin/vmforge", "vmforge-9.9.dist-info/RECORD"])
    )
    return PathDistribution(record.parent)


def test_an_installed_package_becomes_its_wheel_again(installed, tmp_path):
    (tmp_path / "wheels").mkdir()
    wheel = _repacked(installed, tmp_path / "wheels")
    assert wheel.name == "vmforge-9.9-py3-none-any.whl"
    first = wheel.read_bytes()
    assert _repacked(installed, tmp_path / "wheels").read_bytes() == first
    with zipfile.ZipFile(wheel) as packed:
        assert packed.namelist() == [
            "vmforge-9.9.dist-info/METADATA",
            "vmforge-9.9.dist-info/WHEEL",
            "vmforge-9.9.dist-info/entry_points.txt",
            "vmforge/__init__.py",
            "vmforge/data/a.txt",
            "vmforge-9.9.dist-info/RECORD",
        ]
    target = tmp_path / "target"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        "--target",
        target,
        wheel,
    ]
    subprocess.run(install, check=True)
    assert (target / "vmforge" / "data" / "a.txt").read_text() == "a"


def fake_pip(tmp_path, monkeypatch, script):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))


def test_pips_own_words_are_shown(tmp_path, monkeypatch):
    fake_pip(tmp_path, monkeypatch, 'echo "no such package" >&2; exit 1')
    maker = WheelMaker(tmp_path / "wheels", Cancellation(), lambda text: None)
    with pytest.raises(HostError) as caught:
        maker.make()
    assert caught.value.detail == "no such package"
    assert "`--no-wheels`" in caught.value.hint


def test_pip_ends_at_once_when_the_user_wants_to(tmp_path, monkeypatch):
    cancellation = Cancellation()
    fake_pip(tmp_path, monkeypatch, f"echo started > {tmp_path}/started; sleep 300")
    (tmp_path / "started").unlink(missing_ok=True)

    def cancel_once_it_runs():
        while not (tmp_path / "started").exists():
            cancellation.wait(0.01)
        cancellation.cancel()

    watcher = threading.Thread(target=cancel_once_it_runs)
    watcher.start()
    with pytest.raises(Interrupted):
        WheelMaker(tmp_path / "wheels", cancellation, lambda text: None).make()
    watcher.join()
