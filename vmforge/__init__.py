"""vmforge builds machine images on the user's own hypervisors."""

__version__ = "0.1.0"
