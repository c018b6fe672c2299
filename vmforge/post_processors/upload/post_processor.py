"""What the `upload` post-processor does: sums the files, and uploads them side by side."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vmforge.errors import HostError, VmforgeError
from vmforge.images.blocks import total_size
from vmforge.post_processors.checksum import ChecksumType, digests
from vmforge.post_processors.output import output_fields
from vmforge.post_processors.upload import s3
from vmforge.post_processors.upload.destination import (
    Destination,
    Scheme,
    Transfer,
    parse_destination,
    transfers,
)
from vmforge.post_processors.upload.programs import install_hint, missing_program
from vmforge.post_processors.upload.transport import Delivery, TransferFailed, UploadConfig
from vmforge.sdk import (
    Artifact,
    BuildContext,
    FileArtifact,
    PostProcessor,
    Problem,
    Processed,
    Progress,
)
from vmforge.sdk.extras import missing_library
from vmforge.sdk.late import check_late
from vmforge.sdk.network import RemoteInput, RemoteKind

BUILDER_ID = "vmforge.post-processor.upload"
# Seconds before the second attempt; twice that before the third, and so on.
_PAUSE = 1.0
# Seconds that uploads get to end their programs when the build is interrupted.
_GRACE = 3.0

Transport = Callable[[Transfer, Delivery], None]


class UploadPostProcessor(PostProcessor[UploadConfig]):
    """Uploads an artifact's files."""

    config_type = UploadConfig
    summary = "uploads an artifact's files to servers, buckets and registries"

    @classmethod
    def check(cls, config: UploadConfig) -> Iterable[Problem]:
        if not config.urls:
            yield Problem("`urls` is empty", option="urls", hint="name where the files shall go")
        for number in ("attempts", "parallel"):
            if getattr(config, number) < 1:
                yield Problem(f"`{number}` must be at least 1", option=number)
        if config.token and config.username:
            yield Problem("`token` and `username` are set, but only one of them can be", option="token")
        for url in config.urls:
            yield from check_late(url, ("BuildName", "BuilderType"), "urls")
            if "{{" not in url:
                yield from _check_url(url)

    @classmethod
    def remote_inputs(cls, config: UploadConfig) -> Iterable[RemoteInput]:
        for url in config.urls:
            yield RemoteInput(RemoteKind.UPLOAD, "the upload of the artifact", (_as_url(url),))

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        if not artifact.files:
            raise VmforgeError("the artifact has no files to upload")
        destinations = [self._destination(context, url) for url in self.config.urls]
        planned = list(transfers(artifact.files, destinations))
        sums = _sums(context, artifact.files)
        amount = sum(total_size(transfer.files) for transfer in planned)
        with context.ui.progress("Uploading", amount) as progress:
            _Uploads(self.config, context, sums, progress).run(planned)
        urls = tuple(dict.fromkeys(str(transfer.destination) for transfer in planned))
        listed = ", ".join(urls)
        made = FileArtifact(BUILDER_ID, listed, (), f"uploaded to: {listed}", state={"urls": urls})
        return Processed(made, keep_input=True)

    def _destination(self, context: BuildContext, url: str) -> Destination:
        try:
            destination = parse_destination(context.render(url, output_fields(context)))
        except ValueError as error:
            raise VmforgeError(str(error)) from None
        if destination.password:
            context.redact([destination.password])
        context.network.locate(_as_url(str(destination)))
        return destination


def _as_url(text: str) -> str:
    """A destination as a URL, whose host tells whether it is on a network: `HOST:PATH` has none."""
    host, _, path = text.partition(":")
    return text if "://" in text else f"{Scheme.RSYNC_SSH}://{host}/{path}"


def _check_url(url: str) -> Iterable[Problem]:
    try:
        scheme = parse_destination(url).scheme
    except ValueError as error:
        yield Problem(f"option `urls`: {error}", option="urls")
        return
    program = missing_program(scheme)
    if program:
        summary = f"the program `{program}`, which `urls` needs, is not installed"
        yield Problem(summary, option="urls", hint=install_hint(program), warning=True)
    if scheme is Scheme.S3:
        yield from missing_library(s3.EXTRA, s3.LIBRARY, option="urls")


def _sums(context: BuildContext, files: Sequence[Path]) -> dict[Path, str]:
    """The files' SHA-256, which servers compare and which registries name them by."""
    kind = ChecksumType.SHA256
    with context.ui.progress("Summing the artifact's files", total_size(files)) as progress:

        def tick(size: int) -> None:
            context.cancellation.check()
            progress.advance(size)

        return {path: digests(path, [kind], tick)[kind] for path in files}


@dataclass
class _Uploads:
    """Runs transfers on threads. The first failure keeps others from beginning; those that run end."""

    config: UploadConfig
    context: BuildContext
    sums: dict[Path, str]
    progress: Progress
    failures: list[BaseException] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, planned: Sequence[Transfer]) -> None:
        waiting: queue.SimpleQueue[Transfer] = queue.SimpleQueue()
        for transfer in planned:
            waiting.put(transfer)
        ended = threading.Semaphore(0)
        # daemons, so that one that hangs in a system call does not keep an interrupted build
        threads = [
            threading.Thread(target=self._work, args=(waiting, ended), name="upload", daemon=True)
            for _ in range(min(self.config.parallel, len(planned)))
        ]
        with self.context.cancellation.on_cancel(lambda: ended.release(len(threads))):
            for thread in threads:
                thread.start()
            for _ in threads:
                ended.acquire()
        if self.context.cancellation.cancelled:
            for thread in threads:
                thread.join(_GRACE)
        self.context.cancellation.check()
        if self.failures:
            raise self.failures[0]

    def _work(self, waiting: queue.SimpleQueue[Transfer], ended: threading.Semaphore) -> None:
        try:
            while not self.failures:
                self._upload(waiting.get_nowait())
        except queue.Empty:
            pass  # nothing is left to do
        except BaseException as error:  # raised by `run`
            self.failures.append(error)
        finally:
            ended.release()

    def _upload(self, transfer: Transfer) -> None:
        """Upload until it works; raises `HostError` when it does not."""
        context, destination = self.context, transfer.destination
        upload = _transport(destination.scheme)
        for attempt in range(self.config.attempts):
            delivery = Delivery(self.config, context, self.sums, self._advance, attempt)
            try:
                upload(transfer, delivery)
            except TransferFailed as failure:
                if not failure.passing or attempt + 1 == self.config.attempts:
                    again = "run the post-processor `upload` again"
                    hint = failure.hint or f"{again} when the server can be reached and takes the file"
                    raise HostError(f"`{destination}` could not be uploaded: {failure}", hint=hint) from None
                context.ui.message(f"`{destination}`: {failure}; trying again")
                context.cancellation.wait(_PAUSE * 2**attempt)
            else:
                context.ui.message(f"uploaded `{destination}`")
                return

    def _advance(self, amount: int) -> None:
        with self.lock:
            self.progress.advance(amount)


def _transport(scheme: Scheme) -> Transport:
    """What uploads to a scheme; its library is loaded here."""
    if scheme in (Scheme.HTTP, Scheme.HTTPS):
        from vmforge.post_processors.upload.http import upload_http

        return upload_http
    if scheme in (Scheme.OCI, Scheme.OCI_HTTP):
        from vmforge.post_processors.upload.oci import upload_oci

        return upload_oci
    if scheme is Scheme.S3:
        from vmforge.post_processors.upload.s3 import upload_s3

        return upload_s3
    from vmforge.post_processors.upload.programs import upload_rsync, upload_sftp

    return upload_rsync if scheme in (Scheme.RSYNC, Scheme.RSYNC_SSH) else upload_sftp
