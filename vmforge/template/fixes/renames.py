"""Options that have another name today, and options that are gone."""

from __future__ import annotations

from collections.abc import Mapping

from vmforge.template.fixes.fixer import Fixer, Part, Repair
from vmforge.template.fixes.tree import Json, Object


def renamed(options: Mapping[str, str], *, old_wins: bool = False) -> Repair:
    """Gives options their new names, whatever their values. Where both names are set, the new one's
    value stays unless `old_wins`: Packer's fixers differ in that."""

    def repair(component: Object) -> Object:
        fixed: dict[str, Json] = {k: v for k, v in component.items() if k not in options}
        for old, new in options.items():
            if old in component and (old_wins or new not in component):
                fixed[new] = component[old]
        return fixed

    return repair


def removed(*options: str) -> Repair:
    """Takes out options that do nothing any more."""
    return lambda component: {k: v for k, v in component.items() if k not in options}


def _parallels(component: Object) -> Object:
    rename = renamed({"guest_os_distribution": "guest_os_type"}, old_wins=True)
    return rename(removed("parallels_tools_host_path")(component))


PARALLELS_HEADLESS = Fixer(
    "parallels-headless",
    "removes `headless`, which Parallels builders do not have",
    removed("headless"),
    ("parallels-iso", "parallels-pvm"),
)
PARALLELS_DEPRECATIONS = Fixer(
    "parallels-deprecations",
    "removes `parallels_tools_host_path` and renames `guest_os_distribution` to `guest_os_type`",
    _parallels,
    ("parallels-iso", "parallels-pvm"),
)
SSH_KEY_PATH = Fixer(
    "sshkeypath",
    "renames `ssh_key_path` to `ssh_private_key_file`",
    renamed({"ssh_key_path": "ssh_private_key_file"}),
)
SSH_DISABLE_AGENT = Fixer(
    "sshdisableagent",
    "renames `ssh_disable_agent` to `ssh_disable_agent_forwarding`",
    renamed({"ssh_disable_agent": "ssh_disable_agent_forwarding"}),
)
SSH_WAIT_TIMEOUT = Fixer(
    "ssh-wait-timeout",
    "renames `ssh_wait_timeout` to `ssh_timeout`",
    renamed({"ssh_wait_timeout": "ssh_timeout"}),
)
SCALEWAY_ACCESS_KEY = Fixer(
    "scaleway-access-key",
    "renames `access_key` of Scaleway builders to `organization_id`",
    renamed({"access_key": "organization_id"}),
    ("scaleway",),
)
AMAZON_SHUTDOWN_BEHAVIOR = Fixer(
    "amazon-shutdown_behavior",
    "renames `shutdown_behaviour` of Amazon builders to `shutdown_behavior`",
    renamed({"shutdown_behaviour": "shutdown_behavior"}, old_wins=True),
    ("amazon-*",),
)
AMAZON_ENHANCED_NETWORKING = Fixer(
    "amazon-enhanced-networking",
    "renames `enhanced_networking` of Amazon builders to `ena_support`",
    renamed({"enhanced_networking": "ena_support"}, old_wins=True),
    ("amazon-*",),
)
SPOT_PRICE_AUTO_PRODUCT = Fixer(
    "spot-price-auto-product",
    "removes `spot_price_auto_product`, which Amazon builders need no more",
    removed("spot_price_auto_product"),
    ("amazon-ebs", "amazon-ebssurrogate", "amazon-ebsvolume", "amazon-instance"),
)
HYPERV_DEPRECATIONS = Fixer(
    "hyperv-deprecations",
    "removes `vhd_temp_path`, which `hyperv-iso` does not need",
    removed("vhd_temp_path"),
    ("hyperv-iso",),
)
HYPERV_VMXC_TYPO = Fixer(
    "hyperv-vmxc-typo",
    "renames `clone_from_vmxc_path` of `hyperv-vmcx` to `clone_from_vmcx_path`",
    renamed({"clone_from_vmxc_path": "clone_from_vmcx_path"}, old_wins=True),
    ("hyperv-vmcx",),
)
HYPERV_CPU_AND_RAM = Fixer(
    "hyperv-cpu-and-ram",
    "renames `cpu` and `ram_size` of Hyper-V builders to `cpus` and `memory`",
    renamed({"cpu": "cpus", "ram_size": "memory"}, old_wins=True),
    ("hyperv-iso", "hyperv-vmcx"),
)
COMM_CONFIG = Fixer(
    "comm-config",
    "takes `ssh_` off the names of VirtualBox's `host_port_min`, `host_port_max` and `skip_nat_mapping`",
    renamed(
        {
            "ssh_host_port_min": "host_port_min",
            "ssh_host_port_max": "host_port_max",
            "ssh_skip_nat_mapping": "skip_nat_mapping",
        }
    ),
    ("virtualbox*",),
)
QEMU_HOST_PORT = Fixer(
    "qemu-host-port",
    "takes `ssh_` off the names of QEMU's `host_port_min` and `host_port_max`",
    renamed({"ssh_host_port_min": "host_port_min", "ssh_host_port_max": "host_port_max"}, old_wins=True),
    ("qemu",),
)
GALAXY_COMMAND = Fixer(
    "galaxy-command",
    "renames `galaxycommand` of `ansible-local` to `galaxy_command`",
    renamed({"galaxycommand": "galaxy_command"}),
    ("ansible-local",),
    Part.PROVISIONERS,
)
MANIFEST_FILENAME = Fixer(
    "manifest-filename",
    "renames `filename` of `manifest` to `output`",
    renamed({"filename": "output"}, old_wins=True),
    ("manifest",),
    Part.POST_PROCESSORS,
)
DOCKER_EMAIL = Fixer(
    "docker-email",
    "removes `login_email`, which Docker's post-processors do not have",
    removed("login_email"),
    part=Part.POST_PROCESSORS,
)
