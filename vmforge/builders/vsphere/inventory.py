"""Finding things in vSphere's inventory, by name or by path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vmforge.builders.vsphere.client import Vsphere
from vmforge.builders.vsphere.config import LocationOptions
from vmforge.errors import VmforgeError


@dataclass
class Inventory:
    """One datacenter. What is not there is a `VmforgeError` that names what is."""

    vsphere: Vsphere
    wanted_datacenter: str

    @cached_property
    def datacenter(self) -> Any:
        if self.wanted_datacenter:
            found = self._by_path(self.wanted_datacenter)
            if found is None:
                raise _missing("datacenter", self.wanted_datacenter, self._names(self._all("Datacenter")))
            return found
        known = self._all("Datacenter")
        if len(known) != 1:
            names = ", ".join(f"`{name}`" for name in self._names(known))
            raise VmforgeError(
                f"vsphere: there are {len(known)} datacenters", hint=f"set `datacenter`; known are {names}"
            )
        return known[0]

    @cached_property
    def path(self) -> str:
        """The datacenter's path in the inventory."""
        names: list[str] = []
        entity = self.datacenter
        while entity is not None and entity._moId != self.vsphere.content.rootFolder._moId:
            names.insert(0, self._name(entity))
            entity = self._ask(entity, "parent")
        return "/".join(names)

    def folder(self, path: str, *, make: bool = True) -> Any:
        """The folder of machines at a path, made if need be; the datacenter's own for an empty one."""
        folder = self._ask(self.datacenter, "vmFolder")
        for name in filter(None, path.split("/")):
            inner = self._child(folder, name)
            if inner is None and not make:
                raise _missing("folder", path, ())
            folder = inner if inner is not None else self._make_folder(folder, name)
        return folder

    def compute(self, location: LocationOptions) -> tuple[Any, Any]:
        """The cluster or host that machines run on (`ComputeResource`), and the host if one is named."""
        hosts = self._ask(self.datacenter, "hostFolder")
        if location.cluster:
            compute = self._by_path(f"{self.path}/host/{location.cluster}")
            if compute is None:
                raise _missing("cluster", location.cluster, self._names(self._ask(hosts, "childEntity")))
            return compute, self._host_in(compute, location.host) if location.host else None
        if location.host:
            compute = self._by_path(f"{self.path}/host/{location.host}")
            if compute is not None:
                members = self._ask(compute, "host")
                return compute, members[0] if len(members) == 1 else None
            for host in self._all("HostSystem"):
                if self._name(host) == location.host.rpartition("/")[2]:
                    return self._ask(host, "parent"), host
            raise _missing("host", location.host, self._names(self._all("HostSystem")))
        known = [one for one in self._ask(hosts, "childEntity") if hasattr(one, "resourcePool")]
        if len(known) != 1:
            raise VmforgeError(
                "vsphere: it is not said where the machine runs", hint="set `cluster` or `host`"
            )
        return known[0], None

    def pool(self, compute: Any, path: str) -> Any:
        """The resource pool at a path below a cluster's or host's own."""
        pool = self._ask(compute, "resourcePool")
        for name in filter(None, path.split("/")):
            pools = self._ask(pool, "resourcePool")
            pool = next((one for one in pools if self._name(one) == name), None)
            if pool is None:
                raise _missing("resource pool", path, self._names(pools))
        return pool

    def datastore(self, compute: Any, location: LocationOptions) -> Any:
        """The datastore of a machine's files."""
        known = list(self._ask(compute, "datastore"))
        if location.datastore_cluster:
            pod = self._by_path(f"{self.path}/datastore/{location.datastore_cluster}")
            if pod is None:
                raise _missing("datastore cluster", location.datastore_cluster, ())
            return max(self._ask(pod, "childEntity"), key=lambda one: self._ask(one, "summary").freeSpace)
        if location.datastore:
            return self.datastore_named(location.datastore)
        if len(known) != 1:
            names = ", ".join(f"`{name}`" for name in self._names(known))
            raise VmforgeError(
                f"vsphere: there are {len(known)} datastores", hint=f"set `datastore`; known are {names}"
            )
        return known[0]

    def datastore_named(self, name: str) -> Any:
        found = self._by_path(f"{self.path}/datastore/{name}")
        if found is not None:
            return found
        known = self._ask(self.datacenter, "datastore")
        for datastore in known:
            if self._name(datastore) == name.rpartition("/")[2]:
                return datastore
        raise _missing("datastore", name, self._names(known))

    def network(self, compute: Any, name: str) -> Any:
        """A network by name or path; the first that the machine's host has, for an empty name."""
        known = list(self._ask(compute, "network"))
        if not name:
            if not known:
                raise VmforgeError("vsphere: the host has no network", hint="set `network`")
            return known[0]
        if "/" in name:
            path = name.strip("/") if name.startswith("/") else f"{self.path}/network/{name}"
            found = self._by_path(path)
        else:
            everywhere = self._ask(self.datacenter, "network")
            found = next((one for one in (*known, *everywhere) if self._name(one) == name), None)
        if found is None:
            raise _missing("network", name, self._names(known))
        return found

    def machine(self, path: str) -> Any | None:
        """The machine or template at a path below the datacenter's folder, or of that name anywhere in the
        datacenter; None when there is none."""
        path = path.strip("/").removeprefix(f"{self.path}/vm/")
        found = self._by_path(f"{self.path}/vm/{path}")
        if found is not None or "/" in path:
            return found if hasattr(found, "runtime") else None
        return next((one for one in self._all("VirtualMachine") if self._name(one) == path), None)

    def machine_in(self, folder: Any, name: str) -> Any | None:
        """The machine of a name in one folder; None when there is none."""
        return self._child(folder, name)

    def all_machines(self) -> list[Any]:
        return self._all("VirtualMachine")

    def _host_in(self, compute: Any, name: str) -> Any:
        hosts = self._ask(compute, "host")
        wanted = name.rpartition("/")[2]
        for host in hosts:
            if self._name(host) == wanted:
                return host
        raise _missing("host", name, self._names(hosts))

    def _make_folder(self, parent: Any, name: str) -> Any:
        return self.vsphere.do(lambda: parent.CreateFolder(name))

    def _child(self, parent: Any, name: str) -> Any | None:
        index = self.vsphere.content.searchIndex
        return self.vsphere.ask(lambda: index.FindChild(parent, name))

    def _by_path(self, path: str) -> Any | None:
        index = self.vsphere.content.searchIndex
        return self.vsphere.ask(lambda: index.FindByInventoryPath(path))

    def _all(self, kind: str) -> list[Any]:
        from pyVmomi import vim

        content = self.vsphere.content
        root = self.datacenter if kind != "Datacenter" else content.rootFolder
        view = self.vsphere.ask(
            lambda: content.viewManager.CreateContainerView(root, [getattr(vim, kind)], True)
        )
        try:
            return list(self.vsphere.ask(lambda: view.view))
        finally:
            self.vsphere.do(view.Destroy)

    def _ask(self, entity: Any, name: str) -> Any:
        return self.vsphere.ask(lambda: getattr(entity, name))

    def _name(self, entity: Any) -> str:
        return str(self._ask(entity, "name"))

    def _names(self, entities: Iterable[Any]) -> list[str]:
        return sorted(self._name(one) for one in entities)


def _missing(kind: str, name: str, known: Iterable[str]) -> VmforgeError:
    listed = ", ".join(f"`{one}`" for one in known)
    return VmforgeError(f"vsphere: there is no {kind} `{name}`", hint=f"known are {listed}" if listed else "")
