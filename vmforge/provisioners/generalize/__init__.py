"""The `generalize` provisioner: takes out of a guest what must not be in the copies of its image."""

from vmforge.provisioners.generalize.provisioner import GeneralizeConfig, GeneralizeProvisioner

__all__ = ["GeneralizeConfig", "GeneralizeProvisioner"]
