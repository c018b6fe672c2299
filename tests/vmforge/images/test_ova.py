"""OVA archives and OVF folders: what stands in them adds up, and is what the disks were."""

from __future__ import annotations

import datetime
import hashlib
import io
import os
import random
import resource
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from tests.vmforge.images.package_check import check_package, ova_files, ovf_name
from vmforge.errors import HostError, Interrupted, VmforgeError
from vmforge.images.hardware import Hypervisor
from vmforge.images.ova import PackageOptions, write_ova, write_ovf_folder
from vmforge.images.ovf import OvfOptions, OvfVersion
from vmforge.images.signature import Digest, SigningFiles
from vmforge.images.ustar import UstarWriter
from vmforge.sdk.appliance import Appliance, FirmwareKind
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.testing import RecordingProgress, RecordingUi

MIB = 1024 * 1024
SIZES = [7 * MIB, 5 * MIB + 1536]


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Appliance:
    """Two disks, the second one raw with an odd size, and UEFI variables."""
    folder = tmp_path_factory.mktemp("appliance")
    noise = random.Random(4)
    system, data = folder / "system.raw", folder / "data.raw"
    with system.open("wb") as file:
        file.write(noise.randbytes(MIB + 70_000) + b"text " * 100_000)
        file.truncate(SIZES[0])
    with data.open("wb") as file:
        file.seek(4 * MIB)
        file.write(noise.randbytes(SIZES[1] - 4 * MIB))
    qcow2 = folder / "system.qcow2"
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", system, qcow2], check=True)
    nvram = folder / "efivars.fd"
    nvram.write_bytes(noise.randbytes(3 * MIB + 5))
    return Appliance(name="web", disks=(qcow2, data), cpus=2, firmware=FirmwareKind.UEFI, nvram=nvram)


def write(target: Path, appliance: Appliance, options: PackageOptions | None = None) -> Path:
    write_ova(target, appliance, options or PackageOptions(), RecordingUi(), Cancellation())
    return target


@pytest.mark.parametrize("digest", Digest)
@pytest.mark.parametrize("hypervisor", Hypervisor)
@pytest.mark.parametrize("version", OvfVersion)
def test_an_archive_adds_up(
    digest: Digest, hypervisor: Hypervisor, version: OvfVersion, appliance: Appliance, tmp_path: Path
) -> None:
    options = PackageOptions(digest=digest, ovf=OvfOptions(target=hypervisor, version=version))
    files = ova_files(write(tmp_path / "web.ova", appliance, options))
    check_package(files, SIZES)
    assert list(files) == ["web.ovf", "web.mf", "web-disk1.vmdk", "web-disk2.vmdk", "web-efivars.fd"]
    assert appliance.nvram is not None
    assert files["web-efivars.fd"] == appliance.nvram.read_bytes()
    assert f"{digest.upper()}(web.ovf)= ".encode() in files["web.mf"]


@pytest.mark.parametrize("level", [1, 9])
def test_the_disks_are_what_they_were(level: int, appliance: Appliance, tmp_path: Path) -> None:
    files = ova_files(write(tmp_path / "web.ova", appliance, PackageOptions(level=level, threads=2)))
    for number, disk in enumerate(appliance.disks, 1):
        vmdk = tmp_path / f"{number}.vmdk"
        vmdk.write_bytes(files[f"web-disk{number}.vmdk"])
        subprocess.run(["qemu-img", "compare", "-f", "vmdk", vmdk, disk], check=True)


def test_a_folder_has_the_files_of_the_archive(appliance: Appliance, tmp_path: Path) -> None:
    archived = ova_files(write(tmp_path / "web.ova", appliance))
    ui = RecordingUi()
    target = tmp_path / "folder" / "web.ovf"
    paths = write_ovf_folder(target, appliance, PackageOptions(), ui, Cancellation())
    loose = {path.name: path.read_bytes() for path in paths}
    assert loose == archived
    assert sorted(path.name for path in target.parent.iterdir()) == sorted(archived)
    check_package({name: loose[name] for name in archived}, SIZES)


def test_equal_disks_make_equal_archives(appliance: Appliance, tmp_path: Path) -> None:
    first = write(tmp_path / "web.ova", appliance).read_bytes()
    (tmp_path / "web.ova").unlink()
    assert write(tmp_path / "web.ova", appliance, PackageOptions(threads=1)).read_bytes() == first


def test_progress_counts_everything(appliance: Appliance, tmp_path: Path) -> None:
    ui = CountingUi()
    write_ova(tmp_path / "web.ova", appliance, PackageOptions(), ui, Cancellation())
    assert appliance.nvram is not None
    assert ui.total == ui.bar.done == sum(SIZES) + appliance.nvram.stat().st_size
    assert ui.texts("progress") == [f"Writing {tmp_path / 'web.ova'}"]


class CountingUi(RecordingUi):
    """Knows the total; `on_advance` is called while bytes go by."""

    def __init__(self, on_advance: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.total: int | None = None
        self.bar = RecordingProgress()
        self._on_advance = on_advance

    def progress(self, title: str, total: int | None, *, unit: str = "B") -> RecordingProgress:
        super().progress(title, total, unit=unit)
        self.total = total
        on_advance = self._on_advance

        class Bar(RecordingProgress):
            def advance(self, amount: int) -> None:
                super().advance(amount)
                on_advance()

        self.bar = Bar()
        return self.bar


def test_the_uefi_variables_can_stay_behind(appliance: Appliance, tmp_path: Path) -> None:
    files = ova_files(write(tmp_path / "web.ova", appliance, PackageOptions(nvram=False)))
    root = check_package(files, SIZES)
    assert "web-efivars.fd" not in files and b"efivars" not in files["web.ovf"]
    assert len(root.findall(f"{ovf_name(root)}References/")) == 2


def test_more_files_go_in(appliance: Appliance, tmp_path: Path) -> None:
    notes, long = tmp_path / "read me.txt", tmp_path / f"{'x' * 90}.{'y' * 90}"
    notes.write_text("hello\n")
    long.write_text("")
    files = ova_files(write(tmp_path / "web.ova", appliance, PackageOptions(files=(notes, long))))
    check_package(files, SIZES)
    assert files["read_me.txt"] == b"hello\n"
    assert all(len(name) < 100 for name in files)


@pytest.mark.parametrize("name", ["web.ovf", "web.mf", "web.cert", "web-disk2.vmdk", "web-efivars.fd"])
def test_two_files_of_one_name_are_refused(name: str, appliance: Appliance, tmp_path: Path) -> None:
    path = tmp_path / "more" / name
    path.parent.mkdir()
    path.write_text("x")
    with pytest.raises(VmforgeError, match=f"two files of the package would have the name `{name}`"):
        write(tmp_path / "web.ova", appliance, PackageOptions(files=(path,)))


def test_names_inside_are_fit_for_every_reader(appliance: Appliance, tmp_path: Path) -> None:
    appliance = replace(appliance, name="Büro & <1>")
    files = ova_files(write(tmp_path / f"Büro & 1 {'x' * 100}.ova", appliance))
    root = check_package(files, SIZES)
    assert all(len(name) < 100 for name in files)
    assert root.findtext(f"{ovf_name(root)}VirtualSystem/{ovf_name(root)}Name") == "Büro & <1>"


def test_an_interrupt_leaves_what_was_there(appliance: Appliance, tmp_path: Path) -> None:
    target = tmp_path / "web.ova"
    target.write_text("old")
    cancellation = Cancellation()
    ui = CountingUi(cancellation.cancel)
    for function in (write_ova, write_ovf_folder):
        with pytest.raises(Interrupted):
            function(target, appliance, PackageOptions(), ui, cancellation)
    assert [path.name for path in tmp_path.iterdir()] == ["web.ova"] and target.read_text() == "old"


def test_only_the_package_is_written_and_once(appliance: Appliance, tmp_path: Path) -> None:
    """While the disks are compressed, the staged archive is all that there is."""
    seen: list[list[str]] = []
    ui = CountingUi(lambda: seen.append([path.suffix for path in tmp_path.iterdir()]))
    write_ova(tmp_path / "web.ova", appliance, PackageOptions(), ui, Cancellation())
    assert seen and all(names == [".partial"] for names in seen)


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files of this process may have no more than 2 MiB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("function", [write_ova, write_ovf_folder])
def test_what_cannot_be_written_is_told(
    function: Callable[..., object], appliance: Appliance, tmp_path: Path
) -> None:
    with pytest.raises(HostError, match=r"cannot be written: File too large"):
        function(tmp_path / "web.ovf", appliance, PackageOptions(), RecordingUi(), Cancellation())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is missing")
def test_a_full_disk_names_the_post_processor(
    appliance: Appliance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmforge.images.staging.os.fdopen", lambda descriptor, mode: _full(descriptor))
    with pytest.raises(HostError, match="no space left in") as caught:
        write(tmp_path / "web.ova", appliance, PackageOptions(writer="vagrant"))
    assert caught.value.hint == "free some space there and run the post-processor `vagrant` again"
    assert list(tmp_path.iterdir()) == []


def _full(descriptor: int) -> io.BufferedWriter:
    os.close(descriptor)
    return io.BufferedWriter(io.FileIO("/dev/full", "wb"))


def test_a_missing_file_is_told(appliance: Appliance, tmp_path: Path) -> None:
    options = PackageOptions(files=(tmp_path / "nowhere.txt",))
    with pytest.raises(VmforgeError, match=r"nowhere.txt` cannot be read: No such file"):
        write(tmp_path / "web.ova", appliance, options)


# --- signatures ---


def make_key(folder: Path, bits: int = 2048, encryption: KeySerializationEncryption | None = None) -> Path:
    key = rsa.generate_private_key(65537, bits)
    path = folder / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    return path


def make_certificate(folder: Path, key: Path) -> Path:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "builder")])
    today = datetime.datetime(2026, 1, 1)
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), 1, today, today + datetime.timedelta(36500))
    ).sign(private, hashes.SHA256())
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize("digest", Digest)
def test_a_signature_holds(digest: Digest, appliance: Appliance, tmp_path: Path) -> None:
    key = make_key(tmp_path)
    signing = SigningFiles(key, make_certificate(tmp_path, key))
    files = ova_files(write(tmp_path / "web.ova", appliance, PackageOptions(signing=signing, digest=digest)))
    check_package(files, SIZES)
    assert list(files)[:3] == ["web.ovf", "web.mf", "web.cert"]
    line, pem = files["web.cert"].split(b"\n", 1)
    told, signature = line.decode().split("= ")
    assert told == f"{digest.upper()}(web.mf)"
    public = x509.load_pem_x509_certificate(pem).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    algorithm = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha512": hashes.SHA512}[digest]()
    public.verify(bytes.fromhex(signature), files["web.mf"], padding.PKCS1v15(), algorithm)


def test_openssl_verifies_a_signature(appliance: Appliance, tmp_path: Path) -> None:
    key = make_key(tmp_path, 3072)
    certificate = make_certificate(tmp_path, key)
    files = ova_files(
        write(tmp_path / "web.ova", appliance, PackageOptions(signing=SigningFiles(key, certificate)))
    )
    (tmp_path / "mf").write_bytes(files["web.mf"])
    (tmp_path / "sig").write_bytes(bytes.fromhex(files["web.cert"].split(b"\n")[0].split(b"= ")[1].decode()))
    public = subprocess.run(
        ["openssl", "x509", "-pubkey", "-noout", "-in", certificate], check=True, capture_output=True
    )
    (tmp_path / "pub").write_bytes(public.stdout)
    verify = ["openssl", "dgst", "-sha256", "-verify", "pub", "-signature", "sig", "mf"]
    subprocess.run(verify, cwd=tmp_path, check=True, capture_output=True)


def test_keys_that_cannot_sign_are_told(appliance: Appliance, tmp_path: Path) -> None:
    plain = make_key(tmp_path)
    certificate = make_certificate(tmp_path, plain)

    def message(key: Path, certificate: Path = certificate) -> str:
        with pytest.raises(VmforgeError) as caught:
            write(tmp_path / "web.ova", appliance, PackageOptions(signing=SigningFiles(key, certificate)))
        assert not (tmp_path / "web.ova").exists()
        return caught.value.message

    for name in ("other", "locked"):
        (tmp_path / name).mkdir()
    locked = make_key(tmp_path / "locked", encryption=BestAvailableEncryption(b"x"))
    other = make_key(tmp_path / "other")
    curve = tmp_path / "curve.pem"
    curve.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    assert "has a password" in message(locked)
    assert "does not belong to the key" in message(other)
    assert "is no RSA key" in message(curve)
    assert "is no private key in PEM form" in message(certificate)
    assert "is no certificate in PEM form" in message(plain, plain)
    assert "cannot be read: No such file" in message(tmp_path / "nowhere")


# --- the archive ---


def test_a_member_beyond_ustars_limit_is_read_by_tar(tmp_path: Path) -> None:
    path = tmp_path / "large.tar"
    size = 8**11 + 5
    with path.open("wb") as file:
        archive = UstarWriter(file)
        room = archive.leave_room(3)
        with archive.member("large") as member:
            member.seek(size - 1, os.SEEK_CUR)  # a hole
            member.write(b"!")
        with archive.member("small") as member:
            member.write(b"after")
        archive.fill(room, "first", b"one")
        archive.close()
    assert path.stat().st_blocks < 1000
    with tarfile.open(path, "r:") as archived:
        assert [(member.name, member.size) for member in archived] == [
            ("first", 3),
            ("large", size),
            ("small", 5),
        ]
    listed = subprocess.run(["tar", "-tf", path], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["first", "large", "small"]


# --- the check itself ---


def test_the_check_finds_what_does_not_add_up(appliance: Appliance, tmp_path: Path) -> None:
    good = ova_files(write(tmp_path / "web.ova", appliance))

    def refused(change: Callable[[dict[str, bytes]], object], because: str) -> None:
        files = dict(good)
        change(files)
        with pytest.raises(AssertionError, match=because):
            check_package(files, SIZES)

    def edit(old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
        def change(files: dict[str, bytes]) -> None:
            text = files["web.ovf"].replace(old, new)
            assert text != files["web.ovf"]
            before, after = (hashlib.sha256(it).hexdigest().encode() for it in (files["web.ovf"], text))
            files["web.ovf"], files["web.mf"] = text, files["web.mf"].replace(before, after)

        return change

    def flip(files: dict[str, bytes]) -> None:
        disk = bytearray(files["web-disk1.vmdk"])
        disk[200_000] ^= 1
        files["web-disk1.vmdk"] = bytes(disk)

    refused(flip, "the sum of web-disk1.vmdk")
    refused(lambda files: files.update({"web.mf": files.pop("web.mf")}), "begins with")
    refused(lambda files: files.pop("web-disk2.vmdk"), "not those of the references")
    refused(edit(b'href="web-disk1.vmdk"', b'href="disk1.vmdk"'), "not those of the references")
    refused(edit(b'ovf:capacity="7340032"', b'ovf:capacity="7340544"'), "7340544")
    refused(edit(b"ovf:/disk/vmdisk2", b"ovf:/disk/vmdisk3"), "vmdisk3")
    refused(edit(b"<rasd:Parent>3</", b"<rasd:Parent>9</"), "Parent")
    sizes = len(good["web-efivars.fd"]), len(good["web-efivars.fd"]) + 1
    refused(edit(b'"%d"' % sizes[0], b'"%d"' % sizes[1]), "the size of web-efivars.fd")
