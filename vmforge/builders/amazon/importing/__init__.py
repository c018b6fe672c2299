"""The post-processor `amazon-import`: disks of this machine become an AMI, straight or by way of a bucket."""

from vmforge.builders.amazon.importing.post_processor import AmazonImportPostProcessor

__all__ = ["AmazonImportPostProcessor"]
