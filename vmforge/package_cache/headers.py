"""Which headers go where: to the mirror, to the client, into the store. (RFC 9110 and 9111.)"""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Final

from vmforge.package_cache.shelf import Kept

# Of one connection, not of the message (RFC 9110, section 7.6.1).
_HOP_BY_HOP: Final = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_KEPT: Final = ("Content-Type", "Content-Encoding", "Last-Modified", "ETag")
_ASKED_WITH: Final = ("User-Agent", "Accept")
_PRIVATE: Final = ("Authorization", "Cookie")


def mirror_headers(client: Message, kept: Kept | None, via: str) -> dict[str, str]:
    """What to ask a mirror with, on behalf of whoever wants the URL. The bytes are to come as they are in the
    file: another length or another range would mean nothing."""
    headers = {name: str(client[name]) for name in _ASKED_WITH if name in client}
    headers |= {"Accept-Encoding": "identity", "Via": via}
    if kept is not None and "ETag" in kept.headers:
        headers["If-None-Match"] = kept.headers["ETag"]
    if kept is not None and "Last-Modified" in kept.headers:
        headers["If-Modified-Since"] = kept.headers["Last-Modified"]
    return headers


def own_headers(client: Message, via: str) -> dict[str, str]:
    """What to ask a mirror with for one client alone: all that it said to the end of the way."""
    dropped = _HOP_BY_HOP | _named_by_connection(client) | {"host", "content-length", "via"}
    headers = {name: value for name, value in client.items() if name.lower() not in dropped}
    earlier = ", ".join(client.get_all("Via", []))
    return headers | {"Via": f"{earlier}, {via}" if earlier else via}


def is_private(client: Message) -> bool:
    """Whether the answer is for this client alone."""
    return any(name in client for name in _PRIVATE)


def wants_reload(client: Message) -> bool:
    """Whether the client distrusts what caches have, as package managers do after a wrong checksum."""
    return "no-cache" in directives(client) or "no-cache" in client.get("Pragma", "").lower()


def directives(headers: Message) -> dict[str, str]:
    """The directives of `Cache-Control`, in lower case, each with its argument."""
    parts = ",".join(headers.get_all("Cache-Control", [])).lower().split(",")
    pairs = (part.strip().partition("=") for part in parts)
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs if name.strip()}


def is_storable(answer: Message) -> bool:
    """Whether a mirror lets its answer be kept."""
    if not {"no-store", "private"}.isdisjoint(directives(answer)) or "Set-Cookie" in answer:
        return False
    return "*" not in answer.get("Vary", "")


def kept_headers(answer: Message) -> dict[str, str]:
    """The headers that are kept with a body."""
    return {name: str(answer[name]) for name in _KEPT if name in answer}


def passed_headers(answer: Message, method: str) -> dict[str, str]:
    """The headers of an answer that is passed on as it is. How the body ends is the proxy's to say, unless
    there is none."""
    dropped = _HOP_BY_HOP | _named_by_connection(answer)
    if method != "HEAD":
        dropped |= {"content-length"}
    return {name: value for name, value in answer.items() if name.lower() not in dropped}


def _named_by_connection(headers: Message) -> set[str]:
    names = ",".join(headers.get_all("Connection", [])).lower().split(",")
    return {name.strip() for name in names}


def resume_headers(answer: Message, *, lasting: bool) -> dict[str, str] | None:
    """The condition under which the rest of a broken body belongs to its beginning; None when that cannot
    be told."""
    tag, modified = answer.get("ETag", ""), answer.get("Last-Modified", "")
    if tag.startswith('"'):
        return {"If-Range": tag}
    if modified:
        return {"If-Range": modified}
    return {} if lasting else None


def is_unchanged_for(client: Message, headers: Mapping[str, str]) -> bool:
    """Whether the client has what these headers belong to, and says so (RFC 9110, section 13.2.2)."""
    if "If-None-Match" in client:
        tags = [tag.strip() for tag in ",".join(client.get_all("If-None-Match", [])).split(",")]
        own = headers.get("ETag")
        return own is not None and ("*" in tags or _weak(own) in [_weak(tag) for tag in tags])
    if "If-Modified-Since" in client and "Last-Modified" in headers:
        return _is_not_newer(headers["Last-Modified"], str(client["If-Modified-Since"]))
    return False


def range_applies(client: Message, headers: Mapping[str, str]) -> bool:
    """Whether a `Range` belongs to this content (`If-Range`)."""
    condition = client.get("If-Range")
    if condition is None:
        return True
    strong_tag = headers.get("ETag", "W/")
    return condition.strip() in (strong_tag, headers.get("Last-Modified")) and not condition.startswith("W/")


def _weak(tag: str) -> str:
    return tag.removeprefix("W/")


def _is_not_newer(modified: str, since: str) -> bool:
    if modified == since:
        return True
    try:
        return parsedate_to_datetime(modified) <= parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False
