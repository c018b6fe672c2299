from __future__ import annotations

from pathlib import Path

import pytest
from packages import PackageError, Packages


def unpacked(cache: Path, name: str, depends: str = "", **files: str) -> Path:
    """A package as it lies in the cache."""
    folder = cache / name / "files/usr/lib"
    folder.mkdir(parents=True)
    control = f"Package: {name}\nVersion: 1\n" + (f"Depends: {depends}\n" if depends else "")
    (cache / name / "control").write_text(control)
    for file, content in files.items():
        (folder / file).write_text(content)
    return folder


def test_what_is_unpacked_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(tmp_path, "sudo", "libc6 (>= 2.34), libpam0g | libpam1, init-system-helpers:any")
    monkeypatch.setenv("PATH", "")  # no apt-get to be found
    (package,) = Packages(tmp_path).fetch(["sudo"])
    assert package.depends == ("libc6", "libpam0g", "init-system-helpers")


def test_a_library_is_found_where_the_dependencies_lead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = unpacked(tmp_path, "tool", "libouter1, perl", tool="libinner.so.1")
    unpacked(tmp_path, "libouter1", "libinner1", **{"libouter.so.1": ""})
    inner = unpacked(tmp_path, "libinner1", **{"libinner.so.1": ""})
    monkeypatch.setattr("elf.needed", lambda path: path.read_text().split())
    packages = Packages(tmp_path)
    (tool,) = packages.fetch(["tool"])
    found = packages.libraries([(tool, program / "tool")])
    assert {soname: path for soname, (_, path) in found.items()} == {"libinner.so.1": inner / "libinner.so.1"}


def test_a_library_that_nothing_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = unpacked(tmp_path, "tool", "perl", tool="libgone.so.1")
    monkeypatch.setattr("elf.needed", lambda path: path.read_text().split())
    packages = Packages(tmp_path)
    (tool,) = packages.fetch(["tool"])
    with pytest.raises(PackageError, match=r"no package that tool depends on has the library libgone\.so\.1"):
        packages.libraries([(tool, program / "tool")])


def test_a_file_is_found_on_either_side_of_the_merged_usr(tmp_path: Path) -> None:
    unpacked(tmp_path, "tool", thing="x")
    (tool,) = Packages(tmp_path).fetch(["tool"])
    assert tool.find("lib/thing") == tool.find("usr/lib/thing") == tool.files / "usr/lib/thing"
    assert tool.find("bin/thing") is None
