"""The `file` provisioner: names, folders, and what goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommunicatorError, VmforgeError
from vmforge.provisioners.file import FileProvisioner
from vmforge.sdk import Provisioner
from vmforge.sdk.testing import FakeCommunicator, FakeMachine, configure, fake_context


class Guest:
    """A guest with the folders `/tmp` and `/etc`, and local files to send to it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "guest"
        self.local = folder / "local"
        for path in (self.root / "tmp", self.root / "etc", self.local / "tree" / "sub"):
            path.mkdir(parents=True)
        (self.local / "a.txt").write_text("a")
        (self.local / "a.txt").chmod(0o640)
        (self.local / "b.txt").write_text("b")
        (self.local / "tree" / "sub" / "c.txt").write_text("c")
        self.communicator = FakeCommunicator(self.root)

    def run(self, **options: Any) -> None:
        component = configure(FileProvisioner, options)
        assert isinstance(component, Provisioner)
        component.provision(fake_context(self.local), FakeMachine(self.communicator))

    @property
    def files(self) -> list[str]:
        return sorted(f"/{path.relative_to(self.root)}" for path in self.root.rglob("*") if path.is_file())


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


def test_a_file_keeps_its_mode(guest: Guest) -> None:
    guest.run(source=f"{guest.local}/a.txt", destination="/tmp/new.txt")
    assert guest.files == ["/tmp/new.txt"]
    assert (guest.root / "tmp/new.txt").stat().st_mode & 0o777 == 0o640


def test_files_into_a_folder(guest: Guest) -> None:
    guest.run(sources=[f"{guest.local}/a.txt", f"{guest.local}/b.txt"], destination="/tmp/")
    assert guest.files == ["/tmp/a.txt", "/tmp/b.txt"]


@pytest.mark.parametrize(
    ("slash", "destination", "expected"),
    [
        ("", "/tmp", "/tmp/tree/sub/c.txt"),
        ("", "/tmp/", "/tmp/tree/sub/c.txt"),
        ("/", "/tmp/new", "/tmp/new/sub/c.txt"),
        ("/", "/tmp/", "/tmp/sub/c.txt"),
    ],
)
def test_a_trailing_slash_means_the_contents(
    guest: Guest, slash: str, destination: str, expected: str
) -> None:
    guest.run(source=f"{guest.local}/tree{slash}", destination=destination)
    assert guest.files == [expected]


def test_content_is_for_its_owner_alone(guest: Guest) -> None:
    guest.run(content="secret\n", destination="/tmp/s")
    assert (guest.root / "tmp/s").read_text() == "secret\n"
    assert (guest.root / "tmp/s").stat().st_mode & 0o777 == 0o600


def test_downloads(guest: Guest) -> None:
    (guest.root / "etc/x").write_text("x")
    guest.run(source="/etc/x", destination=f"{guest.local}/deep/er/y", direction="download")
    guest.run(sources=["/etc/x"], destination=f"{guest.local}/in/", direction="download")
    guest.run(source="/etc/", destination=f"{guest.local}/all", direction="download")
    assert [(guest.local / name).read_text() for name in ("deep/er/y", "in/x", "all/x")] == ["x", "x", "x"]


def test_a_generated_file_is_looked_for_only_when_it_is_sent(guest: Guest) -> None:
    later = guest.local / "later.txt"
    with pytest.raises(ValueError, match=r"later\.txt` does not exist"):
        configure(FileProvisioner, {"source": str(later), "destination": "/tmp/"})
    with pytest.raises(VmforgeError, match=r"later\.txt` cannot be read: No such file"):
        guest.run(source=str(later), destination="/tmp/", generated=True)
    later.write_text("now")
    guest.run(source=str(later), destination="/tmp/", generated=True)
    assert guest.files == ["/tmp/later.txt"]


def test_a_folder_that_the_guest_does_not_have(guest: Guest) -> None:
    with pytest.raises(CommunicatorError) as caught:
        guest.run(source=f"{guest.local}/a.txt", destination="/opt/x/a.txt")
    assert (
        "a.txt` could not be uploaded to `/opt/x/a.txt`: no such folder in the guest" in caught.value.message
    )
    assert "`sudo`" in caught.value.hint


def test_a_download_that_fails(guest: Guest) -> None:
    with pytest.raises(
        CommunicatorError, match="`/etc/none` could not be downloaded: no such file"
    ) as caught:
        guest.run(source="/etc/none", destination=str(guest.local / "x"), direction="download")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"destination": "/tmp/"}, "there is nothing to copy"),
        ({"source": "/bin/sh"}, "missing option `destination`"),
        ({"source": "/bin/sh", "destination": ""}, "`destination` is empty"),
        ({"source": "/no/such", "destination": "/tmp/"}, "source `/no/such` does not exist"),
        ({"source": "/bin/sh/", "destination": "/tmp/"}, "source `/bin/sh/` "),
        (
            {"sources": ["/bin/sh", "/bin/ls"], "destination": "/tmp/x"},
            "2 sources would be copied to the one file",
        ),
        ({"content": "a", "source": "/bin/sh", "destination": "/tmp/x"}, "`content` and `source` are set"),
        ({"content": "a", "destination": "/tmp/"}, "`content` needs the path of a file"),
        ({"content": "a", "destination": "/x", "direction": "download"}, "`content` can only be uploaded"),
        (
            {"source": "/bin/sh", "destination": "/x", "direction": "up"},
            "`up` is none of `upload`, `download`",
        ),
    ],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(FileProvisioner, options)
    assert expected in str(caught.value)


def test_input_files_are_those_that_are_uploaded() -> None:
    upload = configure(FileProvisioner, {"sources": ["/bin/sh"], "source": "/bin/ls", "destination": "/tmp/"})
    download = configure(
        FileProvisioner, {"source": "/bin/ls", "destination": "/tmp/", "direction": "download"}
    )
    assert isinstance(upload, Provisioner) and isinstance(download, Provisioner)
    assert list(upload.input_files()) == [Path("/bin/sh"), Path("/bin/ls")]
    assert list(download.input_files()) == []
