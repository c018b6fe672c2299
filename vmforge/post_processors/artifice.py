"""The `artifice` post-processor: the files that scripts made become the artifact."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.sdk import (
    Artifact,
    BuildContext,
    Config,
    FileArtifact,
    PostProcessor,
    Problem,
    Processed,
    option,
)

BUILDER_ID = "packer.post-processor.artifice"

# The parts of a pattern: an escaped character, a class, a wildcard, any other character.
_PART = re.compile(
    r"\\(?P<escaped>.)|\[(?P<not>\^?)(?P<class>(?:\\.|[^\]\\])+)\]|(?P<any>[*?])|(?P<plain>.)", re.DOTALL
)
_IN_CLASS = re.compile(r"\\?(.)", re.DOTALL)
_MAGIC = re.compile(r"[*?\[\\]")


@dataclass(frozen=True, kw_only=True)
class ArtificeConfig(Config):
    """The options of the `artifice` post-processor."""

    files: tuple[str, ...] = option(
        help="The files of the new artifact, each a path or a pattern with `*`, `?` and `[a-z]`, none of "
        "which reaches over a `/`."
    )


class ArtificePostProcessor(PostProcessor[ArtificeConfig]):
    """Puts other files in the place of the artifact's."""

    config_type = ArtificeConfig
    summary = "puts files that were made elsewhere in the place of the artifact's"

    @classmethod
    def check(cls, config: ArtificeConfig) -> Iterable[Problem]:
        if not config.files:
            yield Problem("`files` is empty", option="files", hint="name the files of the new artifact")
        for pattern in config.files:
            if _is_malformed(pattern):
                hint = "close the `[`, or write `\\[` for the character itself"
                yield Problem(f"`{pattern}` is no pattern for files", option="files", hint=hint)

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        found: dict[Path, None] = {}
        for pattern in self.config.files:
            matches = list(matching(pattern))
            if not matches:
                context.ui.warn(f"no file matches `{pattern}`")
            found |= dict.fromkeys(matches)
        files = tuple(found)
        named = ", ".join(map(str, files))
        context.ui.message(f"the artifact's files are now: {named or 'none'}")
        made = FileArtifact(BUILDER_ID, "", files, f"Created artifact from files: {named}")
        return Processed(made, keep_input=True)


def matching(pattern: str) -> Iterator[Path]:
    """The paths that match a pattern, in order of names.

    The rules are those of Go's `filepath.Glob`, see https://pkg.go.dev/path/filepath#Match: `**` means
    `*`, hidden files match like others, `^` negates a class.
    """
    path = Path(pattern)
    folders = [Path(path.anchor)]
    for part in path.parts[1:] if path.anchor else path.parts:
        folders = [found for folder in folders for found in _inside(folder, part)]
    yield from folders


def _inside(folder: Path, part: str) -> list[Path]:
    if not _MAGIC.search(part):
        return [folder / part] if os.path.lexists(folder / part) else []
    expression = re.compile(_expression(part), re.DOTALL)
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []  # a file, or a folder that may not be read: nothing matches there
    return [folder / name for name in names if expression.fullmatch(name)]


def _expression(part: str) -> str:
    texts = []
    for match in _PART.finditer(part):
        if match["any"]:
            texts.append(".*" if match["any"] == "*" else ".")
        elif match["class"]:
            texts.append(f"[{match['not']}{_IN_CLASS.sub(_quoted, match['class'])}]")
        else:
            texts.append(re.escape(match["escaped"] or match["plain"]))
    return "".join(texts)


def _quoted(character: re.Match[str]) -> str:
    """A character of a class for Python, which gives some of them a meaning that they do not have in Go."""
    return "-" if character[0] == "-" else re.escape(character[1])


def _is_malformed(pattern: str) -> bool:
    if any(match["plain"] in ("[", "\\") for match in _PART.finditer(pattern)):
        return True
    try:
        re.compile(_expression(pattern))
    except re.error:
        return True
    return False
