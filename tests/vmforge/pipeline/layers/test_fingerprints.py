"""What counts as an input of a step, and what does not."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmforge.cache import DigestMemory
from vmforge.pipeline.layers.fingerprints import Fingerprints, local_key
from vmforge.sdk import Config, Duration, Secret, Size, option


@dataclass(frozen=True, kw_only=True)
class SomeConfig(Config):
    text: str = option("default", help="a text")
    texts: tuple[str, ...] = option((), help="texts")
    settings: Mapping[str, str] = option({}, help="a map")
    path: Path | None = option(None, help="a path")
    size: Size = option(Size(0), help="a size")
    limit: Duration = option(Duration(5), help="how long to wait", affects_image=False)
    password: Secret = option(Secret(""), help="a secret")


@pytest.fixture
def fingerprints(tmp_path: Path) -> Fingerprints:
    (tmp_path / "digests").mkdir()
    return Fingerprints(DigestMemory(tmp_path / "digests"), tmp_path, b"key", frozenset({"s3cret", 'a"b\n'}))


def test_options_left_at_their_default_do_not_count(fingerprints: Fingerprints) -> None:
    assert fingerprints.of_config(SomeConfig()) == {}
    assert fingerprints.of_config(SomeConfig(text="default", limit=Duration(7))) == {}
    assert set(fingerprints.of_config(SomeConfig(text="other", size=Size(3)))) == {"text", "size"}


def test_values_are_told_apart(fingerprints: Fingerprints) -> None:
    configs = [
        SomeConfig(texts=("a", "b")),
        SomeConfig(texts=("a b",)),
        SomeConfig(texts=('a", "b',)),
        SomeConfig(texts=("b", "a")),
    ]
    assert len({fingerprints.of_config(config)["texts"] for config in configs}) == len(configs)


def test_the_order_of_a_map_does_not_count(fingerprints: Fingerprints) -> None:
    one, two = SomeConfig(settings={"a": "1", "b": "2"}), SomeConfig(settings={"b": "2", "a": "1"})
    assert fingerprints.of_config(one) == fingerprints.of_config(two)


def test_a_template_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for place, cwd in (("one", "one"), ("two", "")):
        root = tmp_path / place
        (root / "scripts").mkdir(parents=True)
        (root / "scripts/setup.sh").write_text("true\n")
        monkeypatch.chdir(tmp_path / cwd)
        path = root / "scripts" if cwd != place else Path("scripts")
        own = Fingerprints(DigestMemory(tmp_path), root, b"key")
        config = SomeConfig(path=path, text=f"{path}/", texts=(str(path),))
        seen.append((own.of_config(config, [path]), own.of_files([path])))
    assert seen[0] == seen[1]
    assert set(seen[0][1]) == {"scripts", "scripts/setup.sh"}


def test_a_folder_and_its_contents_are_told_apart(fingerprints: Fingerprints, tmp_path: Path) -> None:
    paths = [tmp_path / "files"]
    with_slash = fingerprints.of_config(SomeConfig(text=f"{tmp_path}/files/"), paths)
    assert with_slash != fingerprints.of_config(SomeConfig(text=f"{tmp_path}/files"), paths)


@pytest.mark.parametrize(
    "config",
    [
        SomeConfig(text="login with s3cret"),
        SomeConfig(texts=('a"b\n',)),
        SomeConfig(password=Secret("not told to anybody")),
    ],
)
def test_secrets_are_keyed(fingerprints: Fingerprints, config: SomeConfig, tmp_path: Path) -> None:
    (digest,) = fingerprints.of_config(config).values()
    assert digest.startswith("keyed:")
    other = Fingerprints(fingerprints.digests, tmp_path, b"another key", fingerprints.secrets)
    assert other.of_config(config) != {next(iter(fingerprints.of_config(config))): digest}


def test_texts_without_secrets_are_the_same_everywhere(fingerprints: Fingerprints, tmp_path: Path) -> None:
    other = Fingerprints(fingerprints.digests, tmp_path, b"another key")
    assert other.of_text("plain") == fingerprints.of_text("plain")


def test_files_their_modes_and_folders_count(fingerprints: Fingerprints, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a").write_text("1")
    seen = [fingerprints.of_files([folder])]

    def changed() -> bool:
        seen.append(fingerprints.of_files([folder]))
        return seen[-1] != seen[-2]

    assert set(seen[0]) == {"files", "files/a"}
    assert not changed()
    (folder / "a").write_text("2")
    assert changed()
    (folder / "a").chmod(0o755)
    assert changed()
    (folder / "empty").mkdir()
    assert changed()
    (folder / "link").symlink_to("a")
    assert changed()
    (folder / "link").unlink()
    (folder / "link").symlink_to("empty")
    assert changed()
    (folder / "round").symlink_to(folder)
    assert changed()
    (folder / "a").unlink()
    assert changed()


def test_what_a_linked_folder_holds_counts(fingerprints: Fingerprints, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "files").mkdir()
    (tmp_path / "files/link").symlink_to(tmp_path / "elsewhere")
    before = fingerprints.of_files([tmp_path / "files"])
    (tmp_path / "elsewhere/new").touch()
    assert fingerprints.of_files([tmp_path / "files"]) != before


def test_missing_files(fingerprints: Fingerprints, tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    found = fingerprints.of_files([tmp_path / "gone", tmp_path / "dangling", Path("/gone/too")])
    assert found == {"gone": "missing", "dangling": "missing", "/gone/too": "missing"}


@pytest.mark.parametrize(("script", "mentioned"), [("echo $PACKER_BUILD_NAME", True), ("echo hello", False)])
def test_scripts_that_ask_for_the_builds_name(
    fingerprints: Fingerprints, tmp_path: Path, script: str, mentioned: bool
) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/a.sh").write_text(script)
    assert fingerprints.mentions_build(SomeConfig(texts=(script,)), ()) is mentioned
    assert fingerprints.mentions_build(SomeConfig(), [tmp_path / "scripts"]) is mentioned


def test_the_local_key_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    key = local_key(tmp_path)
    assert len(key) == 32
    assert local_key(tmp_path) == key
    assert (tmp_path / "layer-key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["layer-key"]


def test_builds_that_make_the_local_key_at_once_agree_on_it(tmp_path: Path) -> None:
    for number in range(20):
        root = tmp_path / str(number)
        root.mkdir()
        ready = threading.Barrier(4)

        def make(root: Path = root, ready: threading.Barrier = ready) -> bytes:
            ready.wait(30)
            return local_key(root)

        with ThreadPoolExecutor(4) as pool:
            keys = {future.result(30) for future in [pool.submit(make) for _ in range(4)]}
        assert keys == {local_key(root)}
