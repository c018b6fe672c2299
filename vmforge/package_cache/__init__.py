"""A caching HTTP proxy near the guest: what one build fetched from its mirrors, the next one need not."""

from vmforge.package_cache.cache import PackageCache
from vmforge.package_cache.shelf import KIND, Kept, PackageShelf

__all__ = ["KIND", "Kept", "PackageCache", "PackageShelf"]
