"""Images in Google Compute Engine: built from its own, exported to buckets, imported from disks here."""

from vmforge.builders.googlecompute.builder import GoogleComputeBuilder

__all__ = ["GoogleComputeBuilder"]
