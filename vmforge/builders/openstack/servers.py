"""Servers and key pairs in Nova, volumes in Cinder, and the waits for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from vmforge.builders.openstack.api import Account, Service
from vmforge.sdk.cloud import CloudError, wait_for

Server = Mapping[str, Any]

GONE: Final = ("DELETED", "SOFT_DELETED")
_CONSOLE_LINES = 60
# Nova's scheduler and its limits, in the words of their messages.
_FAULTS: Final = (
    (
        "no valid host",
        "no host has room for it: set another `flavor` or `availability_zone`, or try it later",
    ),
    ("quota", "ask for a higher quota, or delete what the project does not need"),
    ("disk is too small", "set a `flavor` with a larger disk, or `use_blockstorage_volume = true`"),
    ("block device mapping is invalid", "look at the volume's type and availability zone"),
)


@dataclass(frozen=True)
class Servers:
    """Nova and Cinder, for one build. Raises `CloudError`; `limit` is how long each wait may take."""

    account: Account
    limit: float

    def find_flavor(self, wanted: str) -> Mapping[str, Any]:
        """A flavor, by id or name."""
        found = self.account.find(Service.COMPUTE, f"/flavors/{quote(wanted, safe='')}")
        if found is not None:
            flavor: Mapping[str, Any] = found["flavor"]
            return flavor
        listed = list(self.account.pages(Service.COMPUTE, "/flavors/detail", "flavors"))
        named = [flavor for flavor in listed if flavor["name"] == wanted]
        if not named:
            names = ", ".join(f"`{flavor['name']}`" for flavor in listed[:20])
            raise CloudError(f"there is no flavor `{wanted}`", hint=f"there are {names or 'none'}")
        return dict(named[0])

    def import_key(self, name: str, public: str) -> str:
        body = {"keypair": {"name": name, "public_key": public.strip()}}
        self.account.post(Service.COMPUTE, "/os-keypairs", body)
        return name

    def delete_key(self, name: str) -> None:
        self.account.delete(Service.COMPUTE, f"/os-keypairs/{quote(name, safe='')}")

    def create(self, body: Mapping[str, Any]) -> str:
        try:
            answer = self.account.post(Service.COMPUTE, "/servers", body)
        except CloudError as error:
            error.hint = error.hint or hint_for(error.message)
            raise
        return str(answer.body["server"]["id"])

    def get(self, server: str) -> Server:
        found: Server = self.account.get(Service.COMPUTE, f"/servers/{server}")["server"]
        return found

    def find(self, server: str) -> Server | None:
        found = self.account.find(Service.COMPUTE, f"/servers/{server}")
        return None if found is None else found["server"]

    def act(self, server: str, action: str, argument: Any = None, *, repeatable: bool = False) -> Any:
        """An action (https://docs.openstack.org/api-ref/compute/#servers-run-an-action-servers-action)."""
        path = f"/servers/{server}/action"
        return self.account.post(Service.COMPUTE, path, {action: argument}, repeatable=repeatable)

    def await_state(self, server: str, wanted: str) -> Server:
        """Wait until a server is in a state, with nothing going on. A new one may not be known yet."""
        seen = False

        def look() -> Server | None:
            nonlocal seen
            found = self.find(server)
            if found is None and not seen:
                return None
            seen = True
            if found is None or found["status"] in GONE:
                raise CloudError(f"somebody has deleted the server `{server}`")
            if found["status"] == "ERROR":
                raise failure_of(found)
            busy = found.get("OS-EXT-STS:task_state")
            return found if found["status"] == wanted and not busy else None

        what = f"the server `{server}` to be {wanted}"
        return wait_for(
            look,
            what,
            cancellation=self.account.cancellation,
            limit=self.limit,
            hint="raise `state_timeout`",
        )

    def stop(self, server: str) -> None:
        """Stop it, and wait; one that has stopped by itself is fine."""
        try:
            self.act(server, "os-stop", repeatable=True)
        except CloudError as error:
            if error.status != 409:
                raise
        self.await_state(server, "SHUTOFF")

    def delete(self, server: str, *, force: bool = False) -> None:
        """Delete it, and wait until it is gone: its ports are, too, then."""

        def ask() -> None:
            if force:
                self.act(server, "forceDelete", repeatable=True)
            else:
                self.account.delete(Service.COMPUTE, f"/servers/{server}")

        def look() -> bool | None:
            found = self.find(server)
            if found is None or found["status"] in GONE:
                return True
            if found["status"] == "ERROR" and not found.get("OS-EXT-STS:task_state"):
                ask()  # Nova gives deleting up when another service fails it
            return None

        try:
            ask()
        except CloudError as error:
            if error.is_absence:
                return
            # it is being changed right now, or deleted already; `look` asks again
            if error.status != 409:
                raise
        what = f"the server `{server}` to be deleted"
        wait_for(look, what, cancellation=self.account.cancellation, limit=self.limit)

    def console(self, server: str) -> str:
        answer = self.act(server, "os-getConsoleOutput", {"length": _CONSOLE_LINES}, repeatable=True)
        return str(answer.body.get("output") or "")

    # -- volumes ------------------------------------------------------------------------------

    def create_volume(self, body: Mapping[str, Any]) -> str:
        return str(self.account.post(Service.VOLUMES, "/volumes", body).body["volume"]["id"])

    def find_volume(self, volume: str) -> Mapping[str, Any] | None:
        found = self.account.find(Service.VOLUMES, f"/volumes/{volume}")
        return None if found is None else found["volume"]

    def await_volume(self, volume: str) -> None:
        """Wait until a volume belongs to nobody and can be used."""

        def look() -> bool | None:
            found = self.find_volume(volume)
            if found is not None and found["status"].startswith("error"):
                hint = "is it large enough for the source image? set `volume_size`"
                raise CloudError(f"the volume `{volume}` is in the state `{found['status']}`", hint=hint)
            return True if found is not None and found["status"] == "available" else None

        what, hint = f"the volume `{volume}` to be available", "raise `state_timeout`"
        wait_for(look, what, cancellation=self.account.cancellation, limit=self.limit, hint=hint)

    def upload_volume(self, volume: str, body: Mapping[str, Any]) -> str:
        """Make an image of a volume; returns the image's id."""
        answer = self.account.post(Service.VOLUMES, f"/volumes/{volume}/action", body)
        return str(answer.body["os-volume_upload_image"]["image_id"])

    def delete_volume(self, volume: str) -> None:
        """Delete it, and wait; one that is in use is waited for."""

        def look() -> bool | None:
            if self.find_volume(volume) is None:
                return True
            try:
                self.account.delete(Service.VOLUMES, f"/volumes/{volume}")
            except CloudError as error:
                if error.status not in (400, 409):  # it is still attached, read or deleted
                    raise
            return None

        what = f"the volume `{volume}` to be deleted"
        wait_for(look, what, cancellation=self.account.cancellation, limit=self.limit)


def failure_of(server: Server) -> CloudError:
    """What Nova says about a server in the state ERROR."""
    fault = server.get("fault") or {}
    message = str(fault.get("message") or "it does not say why").rstrip(".")
    return CloudError(f"Nova could not run the server: {message}", hint=hint_for(message))


def hint_for(message: str) -> str:
    """What to try, for the faults that users meet most."""
    return next((hint for word, hint in _FAULTS if word in message.lower()), "")
