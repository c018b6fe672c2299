"""The `vagrant-cloud` and `vagrant-registry` post-processors: put boxes where others get them."""

from vmforge.post_processors.vagrant_upload.cloud import VagrantCloudPostProcessor
from vmforge.post_processors.vagrant_upload.registry import VagrantRegistryPostProcessor

__all__ = ["VagrantCloudPostProcessor", "VagrantRegistryPostProcessor"]
