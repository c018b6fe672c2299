"""The `upload` post-processor: brings an artifact's files to servers, buckets and registries."""

from vmforge.post_processors.upload.post_processor import UploadPostProcessor

__all__ = ["UploadPostProcessor"]
