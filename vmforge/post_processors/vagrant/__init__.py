"""The `vagrant` post-processor: makes boxes of an artifact, for one provider or several."""

from vmforge.post_processors.vagrant.post_processor import VagrantPostProcessor

__all__ = ["VagrantPostProcessor"]
