"""Floppy images, read back by a reader of our own that shares no code with the writer."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmforge.errors import VmforgeError
from vmforge.media.fat12 import floppy_image
from vmforge.media.floppy import write_floppy
from vmforge.sdk.testing import RecordingUi


class Floppy:
    """A reader of FAT12 images."""

    def __init__(self, image: bytes) -> None:
        self.image = image
        size, per_cluster, reserved, fats, self.root_entries, total, media, fat_size = struct.unpack_from(
            "<HBHBHHBH", image, 11
        )
        assert (size, per_cluster, total * size, media) == (512, 1, len(image), 0xF0)
        assert image[510:512] == b"\x55\xaa"
        self.fat = image[reserved * 512 : (reserved + fat_size) * 512]
        assert self.fat == image[(reserved + fat_size) * 512 : (reserved + 2 * fat_size) * 512]
        self.root_start = (reserved + fats * fat_size) * 512
        self.data_start = self.root_start + self.root_entries * 32
        self.used: set[int] = set()
        self.label = ""
        self.files: dict[str, bytes] = {}
        self.short_names: dict[str, str] = {}
        self._walk(image[self.root_start : self.data_start], "", 0, 0)
        allocated = {n for n in range(2, (len(image) - self.data_start) // 512 + 2) if self._next(n)}
        assert allocated == self.used, "lost clusters"

    def _next(self, cluster: int) -> int:
        pair = int.from_bytes(self.fat[cluster * 3 // 2 :][:2], "little")
        return pair >> 4 if cluster % 2 else pair & 0xFFF

    def _chain(self, cluster: int) -> bytes:
        data = b""
        while cluster < 0xFF8:
            assert cluster not in self.used, "a cluster belongs to two files"
            self.used.add(cluster)
            data += self.image[self.data_start + (cluster - 2) * 512 :][:512]
            cluster = self._next(cluster)
        return data

    def _entries(self, raw: bytes) -> Iterator[tuple[bytes, str]]:
        long_name, expected_sum = b"", -1
        for entry in (raw[at : at + 32] for at in range(0, len(raw), 32)):
            if entry[0] == 0:
                assert not any(entry)
                return
            if entry[11] == 0x0F:
                part = entry[1:11] + entry[14:26] + entry[28:32]
                long_name = part if entry[0] & 0x40 else part + long_name
                expected_sum = entry[13]
                continue
            name = long_name.decode("utf-16-le").split("\0")[0]
            if long_name:
                total = 0
                for byte in entry[:11]:
                    total = ((total >> 1) | (total << 7 & 0x80)) + byte & 0xFF
                assert total == expected_sum, "a long name of another file"
            yield entry, name
            long_name = b""

    def _walk(self, raw: bytes, prefix: str, own: int, parent: int) -> None:
        seen: set[bytes] = set()
        for entry, long_name in self._entries(raw):
            assert entry[:11] not in seen
            seen.add(entry[:11])
            cluster, size = struct.unpack_from("<HI", entry, 26)
            if entry[11] & 0x08:
                self.label = entry[:11].decode().rstrip()
                continue
            if entry[0] == ord("."):
                assert cluster == (own if entry[:2] == b". " else parent)
                continue
            short = entry[:8].decode().rstrip() + ("." + entry[8:11].decode().rstrip()).rstrip(".")
            path = prefix + (long_name or short)
            self.short_names[path] = short
            if entry[11] & 0x10:
                self.files[path + "/"] = b""
                self._walk(self._chain(cluster), path + "/", cluster, own)
            else:
                data = self._chain(cluster) if cluster else b""
                assert len(data) - size in range(512)
                self.files[path] = data[:size]


def test_files_folders_and_names():
    contents = {
        "README.TXT": b"8.3",
        "Autounattend.xml": b"x" * 1300,
        "autounattend-old.xml": b"long",
        "lower.txt": b"lower",
        "thirteen.char": b"13",
        "x" * 255: b"longest",
        "ünï cödé.txt": b"unicode",
        "\N{PILE OF POO}.txt": b"two units",
        ".profile": b"dot",
        "two.dots.tar.gz": b"dots",
        "empty": b"",
        "drivers/amd64/viostor.inf": b"inf",
        "drivers/amd64/viostor.sys": bytes(3000),
        "drivers/netkvm.inf": b"net",
        "void/": b"",
    }
    floppy = Floppy(floppy_image(contents, "packer"))
    assert len(floppy.image) == 1474560
    assert floppy.label == "packer"
    assert {path: data for path, data in floppy.files.items() if not path.endswith("/")} == {
        path: data for path, data in contents.items() if not path.endswith("/")
    }
    assert {path for path in floppy.files if path.endswith("/")} == {"drivers/", "drivers/amd64/", "void/"}
    assert floppy.short_names["README.TXT"] == "README.TXT"
    assert floppy.short_names["lower.txt"] == "LOWER.TXT"
    assert floppy.short_names["Autounattend.xml"] == "AUTOUN~1.XML"
    assert floppy.short_names["autounattend-old.xml"] == "AUTOUN~2.XML"


def test_many_similar_names_in_a_folder_of_many_clusters():
    contents = {f"folder/some long name {number}.txt": str(number).encode() for number in range(300)}
    floppy = Floppy(floppy_image(contents, ""))
    assert {path: data for path, data in floppy.files.items() if path != "folder/"} == contents
    assert len({floppy.short_names[path] for path in contents}) == 300


def test_names_that_differ_by_case_are_one_file():
    assert Floppy(floppy_image({"A.txt": b"1", "a.TXT": b"2"}, "")).files == {"A.txt": b"2"}


def test_a_full_floppy():
    most = 2847 * 512
    assert Floppy(floppy_image({"a": bytes(most)}, "x")).files == {"a": bytes(most)}
    with pytest.raises(VmforgeError, match="need 1,458,176 bytes, and it holds 1,457,664") as caught:
        floppy_image({"a": bytes(most), "b": b"1"}, "x")
    assert "cd_files" in caught.value.hint


def test_a_large_file_is_refused_unread(tmp_path):
    with (tmp_path / "huge").open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
    with pytest.raises(VmforgeError, match="need 1,099,511,627,776 bytes"):
        floppy_image({"huge": tmp_path / "huge"}, "x")


def test_what_a_floppy_cannot_hold():
    with pytest.raises(VmforgeError, match="root holds at most 224 names"):
        floppy_image({f"F{number}": b"" for number in range(224)}, "x")
    assert len(Floppy(floppy_image({f"F{number}": b"" for number in range(223)}, "x")).files) == 223
    for name in ("a:b", "a?", "trailing.", "trailing ", "x" * 256):
        with pytest.raises(VmforgeError, match="cannot hold a file called"):
            floppy_image({name: b""}, "x")
    for contents in ({"a": b"", "A/b": b""}, {"a/b": b"", "A": b""}):
        with pytest.raises(VmforgeError, match="is a file and a folder on the floppy"):
            floppy_image(contents, "x")
    with pytest.raises(VmforgeError, match="cannot be the label of a floppy"):
        floppy_image({}, "twelve chars")


NAMES = st.text(
    st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1, max_size=30
).filter(lambda name: not set(name) & set('"*/:<>?\\|') and not name.endswith("."))


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=2000), max_size=20))
def test_any_files_survive(files: dict[str, bytes]) -> None:
    expected: dict[str, bytes] = {}
    for name, data in files.items():
        known = next((other for other in expected if other.lower() == name.lower()), name)
        expected[known] = data
    assert Floppy(floppy_image(files, "any")).files == expected


@pytest.mark.skipif(
    which("fsck.vfat") is None or which("mcopy") is None, reason="dosfstools or mtools missing"
)
def test_other_programs_read_it(tmp_path):
    image = tmp_path / "floppy.img"
    contents = {
        "Autounattend.xml": b"<xml/>",
        "drivers/long folder name/viostor.sys": bytes(range(256)) * 20,
        "empty": b"",
        "void/": b"",
        **{f"many/some long name {number}.txt": b"x" for number in range(100)},
    }
    image.write_bytes(floppy_image(contents, "OEMDRV"))
    checked = subprocess.run(["fsck.vfat", "-n", "-v", image], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    environment = {**os.environ, "MTOOLS_SKIP_CHECK": "0"}
    (tmp_path / "out").mkdir()
    subprocess.run(["mcopy", "-s", "-i", image, "::*", tmp_path / "out"], check=True, env=environment)
    for path, data in contents.items():
        assert path.endswith("/") or (tmp_path / "out" / path).read_bytes() == data
    listed = subprocess.run(["mdir", "-i", image, "::"], capture_output=True, text=True, check=True).stdout
    assert "OEMDRV" in listed


def test_the_options_of_a_template(tmp_path):
    """As measured of Packer 1.6.6: `floppy_files` is flat, `floppy_dirs` keeps the folder's name."""
    (tmp_path / "conf" / "sub").mkdir(parents=True)
    (tmp_path / "drivers" / "w10").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "conf" / "b.txt").write_text("b")
    (tmp_path / "conf" / "sub" / "c.txt").write_text("c")
    (tmp_path / "drivers" / "w10" / "d.inf").write_text("d")
    write_floppy(
        tmp_path / "floppy.img",
        files=["a.*", "conf"],
        dirs=["./drivers"],
        content={"ks.cfg": "text"},
        label="OEMDRV",
        base_dir=tmp_path,
        ui=RecordingUi(),
    )
    floppy = Floppy((tmp_path / "floppy.img").read_bytes())
    assert floppy.files == {
        "a.txt": b"a",
        "b.txt": b"b",
        "c.txt": b"c",
        "drivers/": b"",
        "drivers/w10/": b"",
        "drivers/w10/d.inf": b"d",
        "ks.cfg": b"text",
    }
    assert not list(tmp_path.glob("*.part"))


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(VmforgeError, match=r"there is no file or folder `.*/missing`"):
        write_floppy(
            tmp_path / "x",
            files=["missing"],
            dirs=[],
            content={},
            label="",
            base_dir=tmp_path,
            ui=RecordingUi(),
        )


def test_the_year_is_in_range(tmp_path):
    old: Path = tmp_path / "old"
    old.write_text("x")
    os.utime(old, (0, 0))
    assert Floppy(floppy_image({"old": old}, "")).files == {"old": b"x"}
