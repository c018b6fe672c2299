"""The guest's host key: whichever it is at first contact, the same from then on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from vmforge.communicators import keys
from vmforge.errors import CommunicatorError
from vmforge.sdk.communicator import PinningCommunicator


def install_anew(server: Any, kind: keys.KeyType = keys.KeyType.ED25519) -> None:
    """The server comes back with another host key."""
    server.stop()
    (server.folder / "host-key").unlink()
    keys.generate(kind, 0, "test").write_private(server.folder / "host-key")
    server.start()


def test_another_host_key_ends_the_build(client: Any, own_sshd: Any) -> None:
    communicator = client.connect(own_sshd)
    install_anew(own_sshd)
    with pytest.raises(CommunicatorError) as caught:
        communicator.reconnect(600)
    fingerprints = re.findall(r"`ssh-ed25519 SHA256:[\w+/]{43}`", caught.value.message)
    assert caught.value.message == (
        "the guest's SSH host key changed in the middle of the build: it was {}, now it is {}".format(
            *fingerprints
        )
    )
    assert fingerprints[0] != fingerprints[1]
    assert "`ssh_host_key_changes = true`" in caught.value.hint
    assert (own_sshd.folder / "log").read_text().count("Accepted ") == 1  # the stranger got no login


def test_host_key_may_change_where_that_is_declared(client: Any, own_sshd: Any) -> None:
    communicator = client.connect(own_sshd, ssh_host_key_changes=True)
    install_anew(own_sshd)
    communicator.reconnect(20)
    assert communicator.run("true") == 0
    assert [text for text in client.ui.texts("message") if "has a new host key, `ssh-ed25519 SHA256:" in text]


def test_host_key_that_was_taken_away_on_purpose(client: Any, own_sshd: Any) -> None:
    communicator = client.connect(own_sshd)
    assert isinstance(communicator, PinningCommunicator)
    communicator.forget_host_key()
    install_anew(own_sshd)
    communicator.reconnect(20)
    install_anew(own_sshd)  # the new one is held fast in turn
    with pytest.raises(CommunicatorError, match="host key changed"):
        communicator.reconnect(20)


def test_second_key_of_the_server_is_no_other_guest(client: Any, own_sshd: Any) -> None:
    own_sshd.stop()
    pair = keys.generate(keys.KeyType.RSA, 2048, "test")
    pair.write_private(own_sshd.folder / "second-host-key")
    first = own_sshd.folder / "host-key"
    first.rename(own_sshd.folder / "later")
    first.write_text(pair.private.value)
    first.chmod(0o600)
    own_sshd.start()
    communicator = client.connect(own_sshd)
    own_sshd.stop()
    # from now on it also has a key of the kind that is best liked
    own_sshd.settings = (*own_sshd.settings, f"HostKey {own_sshd.folder}/later")
    own_sshd.start()
    communicator.reconnect(20)
    assert communicator.run("true") == 0


def test_system_before_the_pause_has_another_host_key(client: Any, own_sshd: Any) -> None:
    really_wait = client.context.cancellation.wait

    def wait(seconds: float) -> None:
        if seconds == 3600:
            install_anew(own_sshd)
        else:
            really_wait(seconds)

    client.context.cancellation.wait = wait
    communicator = client.connect(own_sshd, pause_before_connecting="1h")
    assert communicator.run("true") == 0
