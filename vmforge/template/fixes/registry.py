"""The fixers in Packer's order (https://developer.hashicorp.com/packer/docs/commands/fix): later ones
see what earlier ones wrote, as `iso_md5` that becomes a checksum and its type, and then one option."""

from __future__ import annotations

from typing import Final

import vmforge.template.fixes.after_boot as after_boot
import vmforge.template.fixes.builders as builders
import vmforge.template.fixes.checksums as checksums
import vmforge.template.fixes.renames as renames
from vmforge.template.fixes.fixer import Fixer

FIXERS: Final[tuple[Fixer, ...]] = (
    checksums.ISO_MD5,
    builders.CREATE_TIME,
    builders.VIRTUALBOX_GUEST_ADDITIONS,
    after_boot.VAGRANT_OVERRIDE,
    builders.VIRTUALBOX_RENAME,
    builders.VMWARE_RENAME,
    renames.PARALLELS_HEADLESS,
    renames.PARALLELS_DEPRECATIONS,
    renames.SSH_KEY_PATH,
    renames.SSH_DISABLE_AGENT,
    renames.SCALEWAY_ACCESS_KEY,
    renames.MANIFEST_FILENAME,
    renames.AMAZON_SHUTDOWN_BEHAVIOR,
    renames.AMAZON_ENHANCED_NETWORKING,
    builders.AMAZON_PRIVATE_IP,
    builders.AMAZON_SOURCE_CIDRS,
    renames.DOCKER_EMAIL,
    after_boot.DOCKER_TAGS,
    after_boot.POWERSHELL_ESCAPES,
    builders.VMWARE_COMPACTION,
    renames.HYPERV_DEPRECATIONS,
    renames.HYPERV_VMXC_TYPO,
    renames.HYPERV_CPU_AND_RAM,
    builders.CLEAN_IMAGE_NAME,
    renames.SPOT_PRICE_AUTO_PRODUCT,
    builders.QEMU_DISK_SIZE,
    renames.GALAXY_COMMAND,
    renames.COMM_CONFIG,
    renames.SSH_WAIT_TIMEOUT,
    builders.VSPHERE_DEVICES,
    checksums.ISO_CHECKSUM,
    renames.QEMU_HOST_PORT,
    builders.AZURE_EXCLUDE_FROM_LATEST,
    builders.PROXMOX_TYPE,
)
