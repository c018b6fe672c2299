from __future__ import annotations

import io
import subprocess
from pathlib import Path
from shutil import which

import pycdlib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmforge.errors import VmforgeError
from vmforge.media.cdrom import write_cdrom
from vmforge.media.iso import IsoImage, write_iso
from vmforge.media.iso_names import FolderNames
from vmforge.sdk.testing import RecordingUi

LONG = "a-file-whose-name-is-longer-than-what-joliet-allows-" * 3 + ".answer"


def everything(path: Path) -> dict[str, bytes]:
    with IsoImage(path) as image:
        return {name: image.read(name) for name in image.files()}


def test_what_is_written_is_read(tmp_path):
    big = tmp_path / "source.bin"
    big.write_bytes(bytes(range(256)) * 5000)
    contents = {
        "user-data": b"#cloud-config\n",
        "meta-data": b"",
        "Autounattend.xml": b"<xml/>",
        "drivers/amd64/w10/viostor.inf": b"inf",
        "drivers/amd64/w11/viostor.inf": b"other inf",
        "a/b/c/d/e/f/g/h/i/deep.txt": b"deep",
        "with space & ünïcode.txt": b"u",
        "README.txt": b"1",
        "readme.txt": b"2",
        ".hidden": b"dot",
        "no.dots.at.all.tar.gz": b"dots",
        LONG: b"long",
        "big.bin": big,
        "empty/": b"",
    }
    write_iso(tmp_path / "x.iso", contents, "cidata")
    expected = {
        name: source.read_bytes() if isinstance(source, Path) else source
        for name, source in contents.items()
        if not name.endswith("/")
    }
    assert everything(tmp_path / "x.iso") == expected
    with IsoImage(tmp_path / "x.iso") as image:
        assert image.volume_id == "cidata"
        image.extract("big.bin", tmp_path / "copy.bin")
        with pytest.raises(VmforgeError, match=r"there is no file `README.TXT` in `.*x.iso`"):
            image.read("README.TXT")
    assert (tmp_path / "copy.bin").read_bytes() == big.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.bin", "source.bin", "x.iso"]


@pytest.mark.skipif(which("xorriso") is None, reason="xorriso is not installed")
def test_another_program_reads_it(tmp_path):
    program = tmp_path / "run.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    contents = {"Folder/run.sh": program, "Folder/user-data": b"text", "empty/": b"", LONG: b""}
    write_iso(tmp_path / "x.iso", contents, "A label of thirty-two characters")
    command = ["xorriso", "-indev", tmp_path / "x.iso", "-pvd_info", "-find", "/", "-exec", "lsdl"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = {line.split("'")[1]: line.split()[0] for line in listed.splitlines() if line.endswith("'")}
    assert lines["/Folder/run.sh"].startswith("-rwxr-xr-x")
    assert lines["/Folder/user-data"].startswith("-rw-r--r--")
    assert lines["/empty"].startswith("d")
    assert f"/{LONG}" in lines
    assert "A label of thirty-two characters" in listed


@pytest.mark.parametrize("label", ["x" * 33, "ünï", "new\nline"])
def test_labels_that_cannot_be(label, tmp_path):
    with pytest.raises(VmforgeError, match="cannot be the label of a CD"):
        write_iso(tmp_path / "x.iso", {}, label)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(VmforgeError, match=r"cannot be written: .*missing"):
        write_iso(tmp_path / "x.iso", {"a": tmp_path / "missing"}, "x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_and_a_folder_of_one_name(tmp_path):
    for contents in ({"a": b"", "a/b": b""}, {"a/b": b"", "a": b""}):
        with pytest.raises(VmforgeError, match="`a` is a file and a folder on the CD"):
            write_iso(tmp_path / "x.iso", contents, "x")


def test_what_is_no_iso(tmp_path):
    (tmp_path / "x.iso").write_bytes(b"<html>" * 10000)
    for path, message in (
        ("x.iso", "is not an ISO image"),
        ("y.iso", "No such file"),
        (".", "Is a directory"),
    ):
        with pytest.raises(VmforgeError, match=message):
            IsoImage(tmp_path / path).__enter__()


def test_names_of_windows_discs_are_udf(tmp_path):
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, udf="2.60", vol_ident="CCCOMA_X64FRE")
    disc.add_directory("/SOURCES", udf_path="/sources")
    places = {"iso_path": "/SOURCES/BOOT.WIM;1", "udf_path": "/sources/boot.wim"}
    disc.add_fp(io.BytesIO(b"image"), 5, **places)
    disc.write(str(tmp_path / "x.iso"))
    disc.close()
    with IsoImage(tmp_path / "x.iso") as image:
        assert image.volume_id == "CCCOMA_X64FRE"
        assert list(image.files()) == ["sources/boot.wim"]
        assert image.read("sources/boot.wim") == b"image"


def test_plain_names_are_found_in_any_case(tmp_path):
    """As on discs without Rock Ridge and Joliet."""
    plain = pycdlib.PyCdlib()
    plain.new(interchange_level=3)
    plain.add_directory("/ISOLINUX")
    plain.add_fp(io.BytesIO(b"kernel"), 6, iso_path="/ISOLINUX/VMLINUZ.;1")
    plain.add_fp(io.BytesIO(b"config"), 6, iso_path="/ISOLINUX/ISOLINUX.CFG;1")
    plain.write(str(tmp_path / "x.iso"))
    plain.close()
    with IsoImage(tmp_path / "x.iso") as image:
        assert sorted(image.files()) == ["ISOLINUX/ISOLINUX.CFG", "ISOLINUX/VMLINUZ"]
        assert image.read("isolinux/vmlinuz") == b"kernel"


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=80).filter(
    lambda name: name not in (".", "..")
)


@given(st.lists(NAMES, unique=True, max_size=30))
def test_names_are_allowed_and_not_given_twice(names: list[str]) -> None:
    folder = FolderNames()
    iso = [folder.iso(name, is_folder=False) for name in names]
    joliet_folder = FolderNames()
    joliet = [joliet_folder.joliet(name) for name in names]
    assert len(set(iso)) == len(set(joliet)) == len(names)
    for name in iso:
        stem, extension = name.removesuffix(";1").split(".")
        assert set(stem + extension) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
        assert len(stem + extension) <= 30
    for name in joliet:
        assert len(name.encode()) <= 64
        assert not set(name) & set("*/:;?\\")


# ---- cd_files, cd_content ----


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    base = tmp_path / "base"
    (base / "conf" / "sub" / "deeper").mkdir(parents=True)
    (base / "conf" / "nothing").mkdir()
    (base / "user-data").write_text("user")
    (base / "conf" / "a.cfg").write_text("a")
    (base / "conf" / ".hidden").write_text("h")
    (base / "conf" / "sub" / "b.cfg").write_text("b")
    (base / "conf" / "sub" / "deeper" / "c.cfg").write_text("c")
    (base / "linked").symlink_to("conf/sub")
    return base


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["user-data"], {"user-data"}),
        (["./conf/a.cfg", "user-data"], {"a.cfg", "user-data"}),
        (["conf/sub"], {"sub/b.cfg", "sub/deeper/c.cfg"}),
        (["./conf/sub/"], {"sub/b.cfg", "sub/deeper/c.cfg"}),
        (["conf"], {"conf/a.cfg", "conf/.hidden", "conf/sub/b.cfg", "conf/sub/deeper/c.cfg"}),
        (["conf/*"], {"a.cfg", ".hidden", "sub/b.cfg", "sub/deeper/c.cfg"}),
        (["conf/[ab].c?g"], {"a.cfg"}),
        (["conf/sub/../a.cfg", ""], {"a.cfg"}),
        (["linked"], {"linked/b.cfg", "linked/deeper/c.cfg"}),
        (["."], {f"base/{name}" for name in ("user-data", "conf/a.cfg", "conf/.hidden", "conf/sub/b.cfg")}
         | {"base/conf/sub/deeper/c.cfg", "base/linked/b.cfg", "base/linked/deeper/c.cfg"}),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_cd_files(files, expected, sources, tmp_path):
    target = tmp_path / "cd.iso"
    write_cdrom(target, files=files, content={}, label="packer", base_dir=sources, ui=RecordingUi())
    assert set(everything(target)) == expected


def test_cd_content_wins_over_cd_files(sources, tmp_path):
    content = {"/user-data": "ours", "nested/dir/x": b"\0bytes", "meta-data": ""}
    write_cdrom(
        tmp_path / "cd.iso",
        files=["user-data"],
        content=content,
        label="cidata",
        base_dir=sources,
        ui=RecordingUi(),
    )
    assert everything(tmp_path / "cd.iso") == {
        "user-data": b"ours",
        "nested/dir/x": b"\0bytes",
        "meta-data": b"",
    }


def test_absolute_patterns(sources, tmp_path):
    files = [f"{sources}/conf/*.cfg", str(sources / "user-data")]
    write_cdrom(tmp_path / "cd.iso", files=files, content={}, label="x", base_dir=tmp_path, ui=RecordingUi())
    assert set(everything(tmp_path / "cd.iso")) == {"a.cfg", "user-data"}


def test_what_a_cd_cannot_be_made_of(sources, tmp_path):
    def write(files, content=()):
        ui = RecordingUi()
        write_cdrom(
            tmp_path / "cd.iso", files=files, content=dict(content), label="x", base_dir=sources, ui=ui
        )
        return ui.texts("warn")

    with pytest.raises(VmforgeError, match=r"there is no file or folder `.*missing`"):
        write(["missing"])
    with pytest.raises(VmforgeError, match=r"`../x` is not the path of a file on a medium"):
        write([], {"../x": ""})
    assert write(["*.none"]) == ["`*.none` matches no file"]
    (sources / "a.cfg").write_text("another a")
    assert write(["conf/a.cfg", "a.cfg"]) == [f"`a.cfg` is on the medium twice; `{sources}/a.cfg` is used"]
    (sources / "conf" / "sub" / "circle").symlink_to("..")
    with pytest.raises(VmforgeError, match="is a link to a folder that it is in"):
        write(["conf"])


PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tree=st.dictionaries(
        st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=99), max_size=9
    )
)
def test_any_tree_survives(tmp_path: Path, tree: dict[str, bytes]) -> None:
    folders = {path.rpartition("/")[0] for path in tree} | {
        path.rpartition("/")[0].rpartition("/")[0] for path in tree
    }
    tree = {path: data for path, data in tree.items() if path not in folders}
    write_iso(tmp_path / "x.iso", tree, "any")
    assert everything(tmp_path / "x.iso") == tree
