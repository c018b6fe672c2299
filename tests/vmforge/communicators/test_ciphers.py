"""The ciphers against OpenSSH's, with keys that are agreed on anew in the middle of transfers."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import paramiko
import pytest

from vmforge.communicators.ssh import chacha
from vmforge.communicators.ssh.chacha import ChaChaPacketizer, ChaChaPoly

CIPHERS = ["aes128-gcm@openssh.com", "aes256-ctr", chacha.NAME]
SIZE = 12_000_000


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("server", ["sshd", "bare_sshd"])
def test_files_travel_through_new_keys(
    cipher: str,
    server: str,
    client: Any,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ChaChaPacketizer, "REKEY_BYTES", 3_000_000)
    monkeypatch.setattr(chacha, "_REKEY_BYTES", 3_000_000)
    communicator = client.connect(request.getfixturevalue(server), ssh_ciphers=[cipher])
    transport = communicator._session.transport
    assert transport.local_cipher == transport.remote_cipher == cipher
    first = transport.session_id
    content = os.urandom(SIZE)
    communicator.upload(io.BytesIO(content), f"{tmp_path}/there")
    communicator.download(f"{tmp_path}/there", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert transport.H != first == transport.session_id, "no new keys were agreed on"


def test_many_threads_send_through_one_cipher(client: Any, sshd: Any) -> None:
    communicator = client.connect(sshd, ssh_ciphers=[chacha.NAME])
    seen: list[tuple[int, str]] = []

    def work(number: int) -> None:
        for _ in range(5):
            communicator.run(f"seq {number} {number + 2000}", lambda line, error: seen.append((number, line)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number in range(4):
        lines = [line for owner, line in seen if owner == number]
        assert lines == [str(n) for n in range(number, number + 2001)] * 5


def test_packet_that_was_tampered_with() -> None:
    cipher = ChaChaPoly(os.urandom(64))
    sealed = bytearray(cipher.seal(7, b"\0\0\0\x10", b"0123456789abcdef"))
    assert cipher.length(7, bytes(sealed[:4])) == b"\0\0\0\x10"
    assert cipher.open(7, bytes(sealed)) == b"0123456789abcdef"
    with pytest.raises(paramiko.SSHException, match="MAC"):
        cipher.open(8, bytes(sealed))
    for place in (0, 6, -1):
        broken = bytearray(sealed)
        broken[place] ^= 1
        with pytest.raises(paramiko.SSHException, match="MAC"):
            cipher.open(7, bytes(broken))
