"""Libraries behind an extra: what is said when one is missing."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from vmforge.errors import HostError
from vmforge.sdk.extras import is_installed, missing_library, needs


@pytest.mark.parametrize("library", ["nowhere_to_be_found", "xml.nowhere_to_be_found", "nowhere.to.be.found"])
def test_a_missing_library_names_what_to_install(library: str) -> None:
    with pytest.raises(HostError) as failure, needs("aws", library):
        importlib.import_module(library)
    assert failure.value.message == f"the library `{library}` is not installed"
    assert failure.value.hint == "install it: `pip install 'vmforge[aws]'`"
    assert not is_installed(library)


def test_a_plugin_names_its_own_extra() -> None:
    with pytest.raises(HostError) as failure, needs("fast", "nowhere", distribution="vmforge-tape"):
        importlib.import_module("nowhere")
    assert failure.value.hint == "install it: `pip install 'vmforge-tape[fast]'`"


def test_a_broken_library_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_a_library.py").write_text("import the_other_half_of_it\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HostError) as failure, needs("aws", "half_a_library"):
        importlib.import_module("half_a_library")
    assert failure.value.message.endswith("cannot be imported: No module named 'the_other_half_of_it'")


def test_what_is_there_is_imported_and_other_errors_pass() -> None:
    with needs("aws", "json"):
        import json
    assert json.loads("1") == 1
    with pytest.raises(ValueError), needs("aws", "json"):
        json.loads("{")


def test_checking_imports_nothing() -> None:
    assert not list(missing_library("aws", "wave"))
    assert "wave" not in sys.modules
    (problem,) = missing_library("aws", "nowhere", option="urls")
    assert problem.warning
    assert problem.option == "urls"
    assert "vmforge[aws]" in problem.hint
