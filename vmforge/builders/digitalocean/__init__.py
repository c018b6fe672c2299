"""Snapshots in DigitalOcean: built from its images, imported from disks here, and found again."""

from vmforge.builders.digitalocean.builder import DigitalOceanBuilder

__all__ = ["DigitalOceanBuilder"]
