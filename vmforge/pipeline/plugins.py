"""Packer's plugins: which components each brings, and where vmforge has these from.

What is built in is asked of the registry, never written down here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vmforge.sdk.extras import missing_requirements
from vmforge.sdk.registry import Kind, Registry
from vmforge.template import RequiredPlugin

_B, _P, _PP, _D = Kind.BUILDER, Kind.PROVISIONER, Kind.POST_PROCESSOR, Kind.DATA_SOURCE


@dataclass(frozen=True)
class Plugin:
    """A plugin of Packer. `package` is what `pip install` takes to get its components for vmforge,
    empty while no such package exists. `extra` is that of vmforge with the libraries of those that are built
    in. `owner` is whose it is on GitHub."""

    name: str
    components: tuple[tuple[Kind, str], ...]
    package: str = ""
    owner: str = "hashicorp"
    extra: str = ""

    @property
    def source(self) -> str:
        """Its address in `required_plugins`."""
        return f"github.com/{self.owner}/{self.name}"

    def installed(self, registry: Registry) -> list[str]:
        return [f"{kind} `{name}`" for kind, name in self.components if registry.has(kind, name)]

    def missing(self, registry: Registry) -> list[str]:
        return [f"{kind} `{name}`" for kind, name in self.components if not registry.has(kind, name)]

    def origins(self, registry: Registry) -> list[str]:
        """The packages other than vmforge that bring some of its components."""
        claims = (claim for component in self.components for claim in registry.claims(*component))
        return list(dict.fromkeys(claim.origin for claim in claims if not claim.built_in))

    def lacks_libraries(self, registry: Registry) -> bool:
        """Whether built-in components of it cannot run before its extra is installed."""
        return bool(self.extra and self.installed(registry) and missing_requirements(self.extra))


def _plugin(
    name: str,
    *components: tuple[Kind, str],
    package: str = "",
    owner: str = "hashicorp",
    extra: str = "",
) -> Plugin:
    return Plugin(name, components, package, owner, extra)


_PLUGINS: Final = (
    _plugin("qemu", (_B, "qemu")),
    _plugin("ansible", (_P, "ansible"), (_P, "ansible-local")),
    _plugin("vagrant", (_B, "vagrant"), (_PP, "vagrant"), (_PP, "vagrant-cloud"), (_PP, "vagrant-registry")),
    _plugin("virtualbox", (_B, "virtualbox-iso"), (_B, "virtualbox-ovf"), (_B, "virtualbox-vm")),
    _plugin("vmware", (_B, "vmware-iso"), (_B, "vmware-vmx")),
    _plugin(
        "vsphere",
        *((_B, "vsphere-iso"), (_B, "vsphere-clone"), (_PP, "vsphere"), (_PP, "vsphere-template")),
        extra="vsphere",
    ),
    _plugin("proxmox", (_B, "proxmox-iso"), (_B, "proxmox-clone"), extra="proxmox"),
    _plugin("hyperv", (_B, "hyperv-iso"), (_B, "hyperv-vmcx")),
    _plugin("parallels", (_B, "parallels-iso"), (_B, "parallels-pvm"), (_B, "parallels-ipsw")),
    _plugin("libvirt", (_B, "libvirt"), owner="thomasklein94"),
    _plugin(
        "docker",
        *((_B, "docker"), (_PP, "docker-import"), (_PP, "docker-push"), (_PP, "docker-save")),
        (_PP, "docker-tag"),
        extra="docker",
    ),
    _plugin("lxd", (_B, "lxd")),
    _plugin(
        "amazon",
        *((_B, f"amazon-{name}") for name in ("ebs", "ebssurrogate", "ebsvolume", "instance", "chroot")),
        *((_D, f"amazon-{name}") for name in ("ami", "parameterstore", "secretsmanager")),
        (_PP, "amazon-import"),
        extra="aws",
    ),
    _plugin("azure", (_B, "azure-arm"), (_B, "azure-chroot"), (_D, "azure-keyvaultsecret"), extra="azure"),
    _plugin(
        "googlecompute",
        *((_B, "googlecompute"), (_PP, "googlecompute-export"), (_PP, "googlecompute-import")),
        extra="google",
    ),
    _plugin(
        "digitalocean",
        (_B, "digitalocean"),
        (_D, "digitalocean-image"),
        (_PP, "digitalocean-import"),
        owner="digitalocean",
        extra="digitalocean",
    ),
    _plugin("hcloud", (_B, "hcloud"), owner="hetznercloud"),
    _plugin("openstack", (_B, "openstack"), extra="openstack"),
    _plugin("oracle", (_B, "oracle-oci"), (_B, "oracle-classic")),
    _plugin("linode", (_B, "linode"), owner="linode"),
    _plugin("scaleway", (_B, "scaleway"), owner="scaleway"),
    _plugin("vultr", (_B, "vultr"), owner="vultr"),
    _plugin("chef", (_P, "chef-client"), (_P, "chef-solo")),
    _plugin("puppet", (_P, "puppet-masterless"), (_P, "puppet-server")),
    _plugin("salt", (_P, "salt-masterless")),
    _plugin("converge", (_P, "converge")),
    _plugin("inspec", (_P, "inspec")),
    _plugin("windows-update", (_P, "windows-update"), owner="rgl"),
    _plugin("goss", (_P, "goss"), owner="YaleUniversity"),
    _plugin("testinfra", (_P, "testinfra"), owner="mschuchard"),
    _plugin("cnspec", (_P, "cnspec"), owner="mondoohq"),
    _plugin("comment", (_P, "comment"), owner="sylviamoss"),
    _plugin("git", (_D, "git-commit"), (_D, "git-repository"), (_D, "git-tree"), owner="ethanmdavidson"),
    _plugin("sshkey", (_D, "sshkey"), owner="ivoronin"),
    _plugin("external", (_D, "external"), (_D, "external-raw"), owner="joomcode"),
    _plugin("tart", (_B, "tart-cli"), owner="cirruslabs"),
    _plugin("veertu-anka", (_B, "veertu-anka-vm-clone"), (_B, "veertu-anka-vm-create"), owner="veertuinc"),
)
_BY_NAME: Final = {plugin.name: plugin for plugin in _PLUGINS}


def find_plugin(required: RequiredPlugin) -> Plugin | None:
    """The plugin that an entry of `required_plugins` means: its address counts, not the name that the
    template gives it. None for one that is not known here."""
    return _BY_NAME.get(plugin_name(required))


def unknown_plugin(required: RequiredPlugin, registry: Registry) -> Plugin | None:
    """A plugin that is in no table here, from the installed packages that bring components of its name;
    None when there are none."""
    name = plugin_name(required)
    claims = [c for c in registry.claims() if not c.built_in and (c.name + "-").startswith(name + "-")]
    components = dict.fromkeys((claim.kind, claim.name) for claim in claims)
    return Plugin(name, tuple(components)) if components else None


def plugin_name(required: RequiredPlugin) -> str:
    last = required.source.rstrip("/").rpartition("/")[2]
    return last.removeprefix("packer-plugin-") or required.name


def plugin_of(kind: Kind, component: str) -> Plugin | None:
    """The plugin that brings a component in Packer; None for what is part of Packer, or not known here."""
    return next((plugin for plugin in _PLUGINS if (kind, component) in plugin.components), None)


def origin_hint(kind: Kind, component: str, required: Iterable[RequiredPlugin]) -> str:
    """Where a component that is not installed comes from in Packer; empty where nothing tells."""
    wanted = [*required]
    addresses = {plugin_name(entry): entry.source or entry.name for entry in wanted}
    known = plugin_of(kind, component)
    if known is not None:
        return _origin(addresses.get(known.name, known.name), known.package)
    for entry in wanted:
        name = plugin_name(entry)
        if name not in _BY_NAME and (component == name or component.startswith(name + "-")):
            return _origin(entry.source or entry.name, "")
    return ""


def _origin(address: str, package: str) -> str:
    if package:
        return f"it comes with Packer's plugin `{address}`; install it: `pip install '{package}'`"
    return f"it comes with Packer's plugin `{address}`, which vmforge has nothing for yet"
