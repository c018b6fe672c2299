"""The `manifest` post-processor: keeps a list of builds and their files in a JSON file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmforge.errors import VmforgeError
from vmforge.images.staging import StagedFile
from vmforge.post_processors.lock import FileLock
from vmforge.post_processors.manifest_details import extend, extended_path
from vmforge.post_processors.output import check_output, output_fields
from vmforge.sdk import (
    Artifact,
    BuildContext,
    Config,
    PostProcessor,
    Problem,
    Processed,
    option,
)
from vmforge.sdk.late import check_late


@dataclass(frozen=True, kw_only=True)
class ManifestConfig(Config):
    """The options of the `manifest` post-processor."""

    output: str = option("packer-manifest.json", help="The file that the build is added to.", late=True)
    strip_path: bool = option(False, help="Name files without their folders.")
    strip_time: bool = option(False, help="Leave out when the build ended.")
    extended: bool = option(
        False,
        help="Write a second file, `packer-manifest.extended.json` beside `packer-manifest.json`, with the "
        "files' digests, the images' formats and the machine's hardware.",
    )
    custom_data: Mapping[str, str] | None = option(
        None, help="Texts to note with the build; know its values, as in `{{ .Host }}`.", late=True
    )


class ManifestPostProcessor(PostProcessor[ManifestConfig]):
    """Adds the build to a JSON file."""

    config_type = ManifestConfig
    summary = "keeps a list of builds and their files in a JSON file"

    @classmethod
    def check(cls, config: ManifestConfig) -> Iterable[Problem]:
        yield from check_output(config.output)
        for text in (config.custom_data or {}).values():
            yield from check_late(text, ("BuildName", "BuilderType"), "custom_data")

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        path = Path(context.render(self.config.output, output_fields(context)))
        build = self._describe(context, artifact)
        entries = {path: build}
        if self.config.extended:
            entries[extended_path(path)] = extend(build, context, artifact)
        with FileLock(path, "manifest", context.cancellation):
            for manifest, entry in entries.items():
                _add(context, manifest, entry)
                context.ui.message(f"added to `{manifest}`")
        return Processed(artifact, keep_input=True, must_keep=True)

    def _describe(self, context: BuildContext, artifact: Artifact) -> dict[str, object]:
        """The build's entry; its order of names is part of the format."""
        config = self.config
        files = [
            {"name": path.name if config.strip_path else str(path), "size": _size(path)}
            for path in artifact.files
        ]
        fields = output_fields(context)
        custom = {
            name: context.hide(context.render(text, fields))
            for name, text in (config.custom_data or {}).items()
        }
        return {
            "name": context.name,
            "builder_type": context.builder_type,
            **({} if config.strip_time else {"build_time": int(time.time())}),
            "files": files or None,
            "artifact_id": artifact.id,
            "packer_run_uuid": context.run_uuid,
            "custom_data": dict(sorted(custom.items())) or None,
        }


def _add(context: BuildContext, path: Path, build: Mapping[str, object]) -> None:
    builds, last_run = _read(path)
    if context.force and last_run != context.run_uuid:
        builds = []
    document = {"builds": [*builds, build], "last_run_uuid": context.run_uuid}
    with StagedFile(path, "manifest") as file:
        file.write(to_json(document).encode())


def to_json(document: object) -> str:
    """JSON to the byte as Go's encoder indents it, which Packer's manifests are compared with."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # as in Packer: a file that is gone is still named


def _read(path: Path) -> tuple[list[Any], str]:
    """The builds so far, and the run that added the last one."""
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if text.strip() else {}
        builds = document.get("builds") or []
        if not isinstance(builds, list):
            raise ValueError("`builds` is no list")
        return builds, str(document.get("last_run_uuid", ""))
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        raise VmforgeError(f"manifest `{path}` cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError) as error:
        hint = "move the file away, and a new one is made"
        raise VmforgeError(f"`{path}` is not a manifest: {error}", hint=hint) from error
