"""The `salt-masterless` provisioner: uploads states and pillars, and applies them in the guest."""

from vmforge.provisioners.salt_masterless.provisioner import SaltMasterlessConfig, SaltMasterlessProvisioner

__all__ = ["SaltMasterlessConfig", "SaltMasterlessProvisioner"]
