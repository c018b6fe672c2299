"""All that builds need, in one signed archive, for places without a network."""

from vmforge.bundles.archive import Bundle
from vmforge.bundles.collecting import Collection
from vmforge.bundles.importing import Imported, import_bundle
from vmforge.bundles.manifest import BundleError, Manifest
from vmforge.bundles.signing import Signer, Trust, make_key
from vmforge.bundles.writing import write_bundle

__all__ = [
    "Bundle",
    "BundleError",
    "Collection",
    "Imported",
    "Manifest",
    "Signer",
    "Trust",
    "import_bundle",
    "make_key",
    "write_bundle",
]
