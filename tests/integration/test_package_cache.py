"""A guest that fetches through the package cache, from a mirror that only this machine knows."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Vmforge

pytestmark = pytest.mark.machine

_PACKAGE = "http://mirror.test/pool/main/t/tiny_1.0_all.deb"


def test_a_guest_fetches_from_the_cache(tiny: Vmforge) -> None:
    package = tiny.folder / "mirror" / "pool" / "main" / "t" / "tiny_1.0_all.deb"
    package.parent.mkdir(parents=True)
    package.write_text("what-the-mirror-has\n")
    mirror = f"http://mirror.test/=file://{tiny.folder}/mirror/"
    # the answer file is on this machine, and does not count: busybox knows no `no_proxy`
    script = (
        f"echo proxy=$http_proxy; wget -q -O - {_PACKAGE}; wget -q -O - http://$PACKER_HTTP_ADDR/tiny.cfg"
    )
    ended = tiny.run(
        "build", "-package-cache", "--mirror", mirror, "-var", f"script={script}", "tiny.pkr.hcl"
    )
    assert ended.status == 0, ended.out + ended.err
    assert "proxy=http://10.0.2.2:" in ended.out and "what-the-mirror-has" in ended.out
    assert "hostname=tiny" in ended.out
    assert "package cache: 1 of 1 files were kept from before; 20 B sent to the guest" in ended.out
