"""Dockerfile instructions for a commit."""

from __future__ import annotations

import pytest

from vmforge.builders.docker.changes import for_podman, restored, unknown


@pytest.mark.parametrize(
    ("change", "made"),
    [
        ("ENV HOSTNAME www.example.com", ["ENV HOSTNAME=www.example.com"]),
        ("ENV A=1 B='x y' C=\"q\"", ["ENV A=1", "ENV B=x y", "ENV C=q"]),
        ("env TEXT = odd", ["ENV TEXT== odd"]),
        ("EXPOSE 80 443/udp", ["EXPOSE 80", "EXPOSE 443/udp"]),
        ("VOLUME /a /b", ["VOLUME /a", "VOLUME /b"]),
        ('VOLUME ["/a b"]', ['VOLUME ["/a b"]']),
        ("LABEL version=1.0", ["LABEL version=1.0"]),
        ("MAINTAINER Me <me@x>", ["LABEL maintainer=Me <me@x>"]),
        ('CMD ["nginx", "-g", "daemon off;"]', ['CMD ["nginx", "-g", "daemon off;"]']),
        ("ENTRYPOINT /start.sh", ["ENTRYPOINT /start.sh"]),
    ],
)
def test_the_forms_of_podman(change: str, made: list[str]) -> None:
    assert for_podman([change]) == made


def test_command_and_entry_point_of_the_image() -> None:
    assert restored([], ["/x"], ["a"]) == ['CMD ["a"]', 'ENTRYPOINT ["/x"]']
    assert restored(["cmd b"], ["/x"], ["a"]) == ["cmd b", 'ENTRYPOINT ["/x"]']
    assert restored(["ENTRYPOINT /y"], ["/x"], []) == ["ENTRYPOINT /y", "CMD []"]
    assert restored(["USER me"], [], []) == ["USER me"]


def test_unknown_ones() -> None:
    assert unknown(["ENV a b", "RUN date", "", "copy a b"]) == ["RUN date", "", "copy a b"]
