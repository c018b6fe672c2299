"""What all transports of the `upload` post-processor have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.sdk import BuildContext, Config, Secret, option


@dataclass(frozen=True, kw_only=True)
class UploadConfig(Config):
    """The options of the `upload` post-processor."""

    urls: tuple[str, ...] = option(
        help="Where the files go: `https://`, `s3://BUCKET/KEY`, `sftp://`, `scp://`, `rsync://`, "
        "`[USER@]HOST:PATH` (rsync over SSH) or `oci://REGISTRY/REPOSITORY:TAG`. One that ends with `/` is a "
        "folder. Knows `{{ .BuildName }}` and `{{ .BuilderType }}`.",
        late=True,
    )
    username: str = option("", help="The user, for `https://` and `oci://`; without it `~/.netrc` is read.")
    password: Secret = option(Secret(""), help="The user's password, for `https://` and `oci://`.")
    token: Secret = option(Secret(""), help="A bearer token, for `https://`, in place of a user.")
    headers: Mapping[str, Secret] | None = option(None, help="More headers of each request, for `https://`.")
    insecure_skip_tls_verify: bool = option(
        False, help="Do not check the server's certificate, for `https://`, `s3://` and `oci://`."
    )
    s3_endpoint_url: str = option("", help="The server of `s3://`, where it is not AWS (MinIO, Ceph ...).")
    s3_region: str = option("", help="The region of `s3://`; without it AWS's own settings say so.")
    s3_profile: str = option("", help="The profile in `~/.aws` whose login is used for `s3://`.")
    s3_arguments: Mapping[str, str] | None = option(
        None, help="More arguments for `s3://`, as boto3 names them (`ACL`, `StorageClass` ...)."
    )
    ssh_arguments: tuple[str, ...] = option(
        (), help="More arguments of `ssh`, for `sftp://`, `scp://` and `HOST:PATH` (`-i`, `-o`, `-F`, `-J`)."
    )
    attempts: int = option(4, help="How often an upload is tried.")
    parallel: int = option(4, help="How many uploads run at a time.")


class TransferFailed(Exception):
    """An upload did not succeed, and why; `passing` if it may when tried again."""

    def __init__(self, reason: str, *, passing: bool = False, hint: str = "") -> None:
        super().__init__(reason)
        self.passing = passing
        self.hint = hint


@dataclass(frozen=True)
class Delivery:
    """What a transport works with. `digests` holds the files' SHA-256 in hexadecimal; `advance` counts
    bytes as done (a transport that starts again counts them back); `attempt` counts from 0."""

    config: UploadConfig
    context: BuildContext
    digests: Mapping[Path, str]
    advance: Callable[[int], None]
    attempt: int = 0
