"""vSphere's content libraries, through the REST API that vCenter has beside the older one.

https://developer.broadcom.com/xapis/vsphere-automation-api/latest/ describes it; the paths are those of the
form that vSphere 6.5 to 8 understand (`/rest`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vmforge.builders.vsphere.client import Access
from vmforge.errors import VmforgeError
from vmforge.sdk import Cancellation
from vmforge.sdk.cloud import Answer, Rest
from vmforge.sdk.network import Network

_ITEM = "/com/vmware/content/library/item"


@dataclass
class Libraries:
    """The content libraries of one vCenter. Raises `CloudError`."""

    access: Access
    cancellation: Cancellation
    _rest: Rest | None = field(default=None, init=False)
    _session: str = field(default="", init=False)

    def close(self) -> None:
        if self._rest is not None:
            self._rest.close()

    def add_template(self, spec: Mapping[str, Any]) -> str:
        """Make a VM template in a library; the new item's id."""
        return str(self._post("/vcenter/vm-template/library-items", {"spec": spec}))

    def add_ovf(self, library: str, machine: str, spec: Mapping[str, Any]) -> str:
        """Make an OVF template of a machine (its id) in a library, or a new version of the one of that name;
        the item's id."""
        existing = self.find_item(library, str(spec["name"]))
        target = {"library_item_id": existing} if existing else {"library_id": library}
        answer = self._post(
            "/com/vmware/vcenter/ovf/library-item",
            {"create_spec": spec, "source": {"type": "VirtualMachine", "id": machine}, "target": target},
        )
        if not answer.get("succeeded", True):
            errors = answer.get("error", {}).get("errors") or [{}]
            raise VmforgeError(
                f"vsphere: the OVF template `{spec['name']}` was not made: {_words(errors[0])}"
            )
        return str(answer.get("ovf_library_item_id", existing))

    def find(self, name: str) -> str:
        """The id of the library of that name."""
        found = self._post("/com/vmware/content/library?~action=find", {"spec": {"name": name}})
        if not found:
            raise VmforgeError(f"vsphere: there is no content library `{name}`")
        return str(found[0])

    def find_item(self, library: str, name: str) -> str:
        """The id of an item; empty when there is none of that name."""
        found = self._post(f"{_ITEM}?~action=find", {"spec": {"name": name, "library_id": library}})
        return str(found[0]) if found else ""

    def iso_path(self, path: str, datastore_name: Any) -> str:
        """Where the file of an item (`LIBRARY/ITEM/FILE`) is on its datastore (`[datastore1] ...`).
        `datastore_name` tells the name of a datastore's id."""
        library_name, _, rest = path.partition("/")
        item_name, _, file = rest.partition("/")
        item = self.find_item(self.find(library_name), item_name)
        stored = self._get(f"{_ITEM}/storage?library_item_id={item}") if item else []
        for entry in stored:
            for uri in entry.get("storage_uris", ()):
                if not file or str(entry.get("name")) == file or str(uri).split("?")[0].endswith(file):
                    datastore = datastore_name(entry["storage_backing"]["datastore_id"])
                    inside = str(uri).split("?")[0].partition("/contentlib-")[2]
                    return f"[{datastore}] contentlib-{inside}"
        raise VmforgeError(
            f"vsphere: there is no `{path}` in the content libraries", hint="write `LIBRARY/ITEM/FILE`"
        )

    def _get(self, path: str) -> Any:
        return self._open().get(path)["value"]

    def _post(self, path: str, body: Any) -> Any:
        answer = self._open().post(path, body)
        return answer["value"] if answer else answer

    def _open(self) -> Rest:
        if self._rest is None:
            access = self.access
            verify: bool | str = (access.authorities or True) if access.verifies_tls else False
            self._rest = Rest(
                "vsphere",
                f"https://{access.host}:{access.port}/rest",
                # the hypervisor's own conversation is no matter of the network's policy
                network=Network(),
                cancellation=self.cancellation,
                headers=self._headers,
                explain=_explain,
                verify=verify,
            )
            login = f"{access.username}:{access.password.value}".encode()
            basic = {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
            answer = self._rest.request("POST", "/com/vmware/cis/session", headers=basic)
            self._session = str(answer.body["value"])
        return self._rest

    def _headers(self) -> Mapping[str, str]:
        return {"vmware-api-session-id": self._session} if self._session else {}


def _explain(answer: Answer) -> tuple[str, str]:
    body = answer.body if isinstance(answer.body, dict) else {}
    value = body.get("value")
    return str(body.get("type", "")).rpartition(".")[2], _words(value) if isinstance(
        value, dict
    ) else answer.text


def _words(value: Mapping[str, Any]) -> str:
    messages = value.get("messages") or value.get("error", {}).get("messages") or ()
    return "; ".join(str(one.get("default_message", one)) for one in messages) or "no reason is given"
