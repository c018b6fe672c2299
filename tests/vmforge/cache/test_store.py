from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vmforge.cache import Store, default_root, hash_file, require_space
from vmforge.errors import HostError, Interrupted
from vmforge.sdk.cancellation import Cancellation

CONTENT = b"content" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def put(store: Store, content: bytes = CONTENT, extension: str = "iso") -> Path:
    digest = hashlib.sha256(content).hexdigest()
    staged = store.staged(f"sha256:{digest}")
    staged.write_bytes(content)
    return store.commit(staged, digest, extension, origin="http://example.com/x")


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"VMFORGE_CACHE_DIR": "/srv/cache", "XDG_CACHE_HOME": "/x", "HOME": "/home/u"}, "/srv/cache"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/home/u"}, "/x/vmforge"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/u"}, "/home/u/.cache/vmforge"),
        ({"VMFORGE_CACHE_DIR": "", "HOME": "/home/u"}, "/home/u/.cache/vmforge"),
    ],
)
def test_the_default_root(environment, root):
    assert default_root(environment) == Path(root)


def test_a_relative_root_counts_from_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert default_root({"VMFORGE_CACHE_DIR": "cache"}) == tmp_path / "cache"


def test_the_store_is_private_and_says_where_it_cannot_be(tmp_path):
    store = Store(tmp_path / "deep" / "cache")
    assert store.root.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="cannot be made: Not a directory") as caught:
        Store(tmp_path / "file" / "cache")
    assert "VMFORGE_CACHE_DIR" in caught.value.hint


def test_commit_and_lookup(tmp_path):
    store = Store(tmp_path)
    assert store.lookup(DIGEST, "iso") is None
    path = put(store)
    assert path == store.path_of(DIGEST, "iso")
    assert store.lookup(DIGEST, "iso") == path
    assert store.lookup(DIGEST, "img") is None
    assert Store(tmp_path).lookup(DIGEST, "iso") == path
    assert not store.staged(f"sha256:{DIGEST}").exists()


def test_an_unchanged_object_is_not_hashed_again(tmp_path):
    store = Store(tmp_path)
    put(store)
    hashed: list[int] = []
    assert store.lookup(DIGEST, "iso", on_bytes=hashed.append)
    assert hashed == []


@pytest.mark.parametrize("damage", ["flipped", "shorter", "replaced", "longer"])
def test_a_damaged_object_is_found_and_deleted(damage, tmp_path):
    """Whatever its name says, and although its times are what they were."""
    store = Store(tmp_path)
    path = put(store)
    times = path.stat()
    if damage == "replaced":
        path.unlink()
    with path.open("ab" if damage == "longer" else "r+b" if path.exists() else "wb") as file:
        if damage == "shorter":
            file.truncate(10)
        file.write(b"!")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    damaged: list[Path] = []
    assert store.lookup(DIGEST, "iso", on_damage=damaged.append) is None
    assert damaged == [path]
    assert not path.exists()


def test_objects_are_listed_by_last_use(tmp_path):
    store = Store(tmp_path)
    first, second = put(store), put(store, b"second", "img")
    store.staged("unfinished").write_bytes(b"x")
    assert [item.path for item in store.objects()] == [first, second]
    store.lookup(DIGEST, "iso")
    listed = store.objects()
    assert [(item.path, item.size, item.extension) for item in listed] == [
        (second, 6, "img"),
        (first, len(CONTENT), "iso"),
    ]
    assert listed[0].origin == "http://example.com/x"
    store.discard(first)
    assert [item.path for item in store.objects()] == [second]


def test_the_index(tmp_path):
    store = Store(tmp_path)
    assert store.bound("url:x") is None
    store.bind("url:x", {"sha256": DIGEST, "etag": '"1"'})
    assert Store(tmp_path).bound("url:x") == {"sha256": DIGEST, "etag": '"1"'}
    for record in (tmp_path / "index").iterdir():
        record.write_text("{ damaged")
    assert store.bound("url:x") is None


def test_damaged_records_are_as_good_as_none(tmp_path):
    store = Store(tmp_path)
    path = put(store)
    for folder in ("uses", "digests"):
        for record in (tmp_path / folder).iterdir():
            record.write_text("[]")
    assert store.lookup(DIGEST, "iso") == path


# ---- digests of files ----


def test_digests_are_remembered_only_for_files_at_rest(tmp_path):
    store = Store(tmp_path / "cache")
    path = tmp_path / "x"
    path.write_bytes(b"x")

    def hashed() -> int:
        counts: list[int] = []
        store.digests.digests(path, ["sha256"], counts.append)
        return sum(counts)

    # just written: it may change within the resolution of its time stamps
    assert [hashed(), hashed()] == [1, 1]
    store.digests.remember(path, {"sha256": "known"})
    assert hashed() == 0
    assert store.digests.digests(path, ["sha256"]) == {"sha256": "known"}
    # another type is computed
    assert store.digests.digests(path, ["md5"]) == {"md5": hashlib.md5(b"x").hexdigest()}
    store.digests.forget(path)
    assert hashed() == 1


def test_several_digests_in_one_pass(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(CONTENT)
    counts: list[int] = []
    digests = hash_file(path, ["md5", "sha256"], counts.append)
    assert digests == {"md5": hashlib.md5(CONTENT).hexdigest(), "sha256": DIGEST}
    assert sum(counts) == len(CONTENT)


# ---- locks ----


def test_a_lock_excludes_threads_of_one_process(tmp_path):
    store, cancellation = Store(tmp_path), Cancellation()
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with store.lock("key", cancellation):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_locks_of_different_keys_do_not_wait(tmp_path):
    store, cancellation = Store(tmp_path), Cancellation()
    with store.lock("one", cancellation), store.lock("two", cancellation, on_wait=pytest.fail):
        pass


HOLD = """
import sys
from pathlib import Path
from vmforge.cache import Store
from vmforge.sdk.cancellation import Cancellation
with Store(Path(sys.argv[1])).lock("key", Cancellation()):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_holder_frees_the_lock_and_the_wait_says_who_it_is(tmp_path):
    store = Store(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        told: list[str] = []

        def on_wait(who: str) -> None:
            told.append(who)
            holder.kill()

        with store.lock("key", Cancellation(), on_wait=on_wait):
            pass
    assert told == [str(holder.pid)]


def test_a_wait_for_a_lock_ends_when_told(tmp_path):
    store, waiting = Store(tmp_path), Cancellation()
    with (
        store.lock("key", Cancellation()),
        pytest.raises(Interrupted),
        store.lock("key", waiting, on_wait=lambda who: waiting.cancel()),
    ):
        pytest.fail("two have the lock")


def test_a_lock_file_that_was_deleted_is_no_lock(tmp_path):
    """Somebody deletes the cache while a lock is held: those who wait must not wait for the old file's."""
    store, cancellation = Store(tmp_path), Cancellation()
    holder = store.lock("key", cancellation)
    with holder:
        for path in (tmp_path / "locks").iterdir():
            path.unlink()
        with store.lock("key", cancellation), pytest.raises(Interrupted):
            waiting = Cancellation()
            with store.lock("key", waiting, on_wait=lambda who: waiting.cancel()):
                pass


def test_too_little_space(tmp_path):
    require_space(tmp_path, 1)
    with pytest.raises(
        HostError, match=r"no space left in `.*`: [0-9,]{20,} bytes are needed and [0-9,]+ bytes"
    ):
        require_space(tmp_path, 1 << 62)
