from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vmforge.bundles import (
    Bundle,
    Collection,
    Imported,
    Manifest,
    Signer,
    import_bundle,
    make_key,
    write_bundle,
)
from vmforge.cache import Store
from vmforge.sdk.cancellation import Cancellation

ISO = hashlib.shake_256(b"an ISO").digest(2 * 1024 * 1024 + 5)


@dataclass
class Workshop:
    """A project's folder, two stores (here and there), and a key."""

    folder: Path
    here: Store
    there: Store
    signer: Signer
    cancellation: Cancellation = field(default_factory=Cancellation)

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def public(self) -> Path:
        return self.folder / "key.pub"

    def collection(self) -> Collection:
        """A small bundle's content: a template with its files, and a medium that a sha512 leads to."""
        collection = Collection(Path(), self.here.digests)
        collection.add_template(Path("lab.pkr.hcl"), ["-var=a=b c"])
        collection.add_path(Path("lab.pkr.hcl"))
        collection.add_path(Path("http"))
        digest = hashlib.sha256(ISO).hexdigest()
        collection.add_object(digest, "iso", self.folder / "a.iso", "https://cd.example/a.iso")
        sha512 = f"sha512:{hashlib.sha512(ISO).hexdigest()}"
        collection.bind("listed:https://cd.example/SHA512SUMS", {"checksum": sha512})
        collection.bind(sha512, {"sha256": digest})
        return collection

    def write(self, name: str = "lab.vmb", change: Callable[[Manifest], Manifest] | None = None) -> Path:
        collection, target = self.collection(), self.folder / name
        manifest = collection.manifest()
        write_bundle(target, change(manifest) if change else manifest, collection.sources, self.signer)
        return target

    def take_in(self, path: Path, name: str = "lab") -> Imported:
        with Bundle(path) as bundle:
            return import_bundle(bundle, self.there, self.folder / name, self.cancellation)


def read_all(path: Path) -> dict[str, bytes]:
    """Every member's content, checked."""
    with Bundle(path) as bundle:
        return {content.member.name: b"".join(content.chunks()) for content in bundle.members()}


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    made = Workshop(tmp_path, Store(tmp_path / "here"), Store(tmp_path / "there"), make_key(tmp_path / "key"))
    (made.project / "http" / "empty").mkdir(parents=True)
    (made.project / "lab.pkr.hcl").write_text("# a template\n" * 100)
    (made.project / "http" / "run.sh").write_text("#!/bin/sh\n")
    (made.project / "http" / "run.sh").chmod(0o755)
    (made.project / "http" / "same.sh").symlink_to("run.sh")
    (made.folder / "a.iso").write_bytes(ISO)
    monkeypatch.chdir(made.project)
    return made
