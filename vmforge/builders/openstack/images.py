"""Images in Glance (https://docs.openstack.org/api-ref/image/v2/)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vmforge.builders.openstack.api import Account, Blocks, Service
from vmforge.builders.openstack.config import ImageConfig, SourceConfig, SourceImageFilter, Visibility
from vmforge.sdk import mark as marks
from vmforge.sdk.cloud import CloudError, RunMark, insist, wait_for

Image = Mapping[str, Any]

_PATCH: Final = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
_MARKS: Final = (marks.RUN, marks.BUILD, marks.HOST, marks.STARTED)
_BROKEN: Final = ("killed", "deleted", "pending_delete", "deactivated")
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an image is to be; what is empty stays as it is. Once it is `finished` the build's mark goes."""

    name: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    visibility: str = ""
    min_disk: int = 0
    protected: bool = False
    finished: bool = True

    @classmethod
    def of(cls, config: ImageConfig, *, finished: bool, protected: bool = False) -> Wanted:
        return cls(
            finished=finished,
            # the name is a mark, too
            name=config.image_name if finished else "",
            properties=config.metadata,
            tags=config.image_tags,
            visibility=config.visibility,
            min_disk=config.image_min_disk,
            # what is half made must be deletable
            protected=finished and protected,
        )

    def changes_to(self, image: Image) -> list[dict[str, Any]]:
        """The JSON patch (RFC 6902) that makes `image` so."""
        simple = {
            "name": self.name,
            "visibility": self.visibility,
            "min_disk": self.min_disk,
            "protected": self.protected,
        }
        changed = [
            {"op": "replace", "path": f"/{key}", "value": value}
            for key, value in simple.items()
            if value and image.get(key) != value
        ]
        if self.tags and set(self.tags) != set(image.get("tags") or ()):
            changed.append({"op": "replace", "path": "/tags", "value": list(self.tags)})
        changed += [
            {"op": "replace" if key in image else "add", "path": f"/{_pointer(key)}", "value": value}
            for key, value in self.properties.items()
            if image.get(key) != value
        ]
        if self.finished:
            changed += [{"op": "remove", "path": f"/{key}"} for key in _MARKS if key in image]
        return changed


@dataclass(frozen=True)
class Images:
    """Glance, for one build. Raises `CloudError`."""

    account: Account
    limit: float

    def get(self, image: str) -> Image:
        found: Image = self.account.get(Service.IMAGE, f"/images/{image}")
        return found

    def list(self, **query: Any) -> list[Image]:
        return list(self.account.pages(Service.IMAGE, "/images", "images", **query))

    def find_source(self, config: SourceConfig) -> Image:
        """The image to start from, where it is in Glance already."""
        if config.source_image:
            found: Image | None = self.account.find(Service.IMAGE, f"/images/{config.source_image}")
            if found is None:
                raise CloudError(f"there is no image `{config.source_image}`", status=404, hint=_LIST_HINT)
            return _usable(found)
        if config.source_image_name:
            found_all = self.list(name=config.source_image_name, status="active")
            return _only(found_all, f"with the name `{config.source_image_name}`", most_recent=False)
        return self._find_by(config.source_image_filter)

    def _find_by(self, wanted: SourceImageFilter) -> Image:
        filters = wanted.filters
        query: dict[str, Any] = {
            "name": filters.name,
            "owner": filters.owner,
            "visibility": filters.visibility,
            "tag": list(filters.tags),
        }
        query = {key: value for key, value in query.items() if value}
        found = self.list(**query, status="active", sort="created_at:desc", **filters.properties)
        return _only(found, "that `source_image_filter` describes", most_recent=wanted.most_recent)

    def create(self, body: Mapping[str, Any]) -> str:
        """A record without data; returns its id."""
        return str(self.account.post(Service.IMAGE, "/images", body).body["id"])

    def upload(self, image: str, data: Blocks) -> None:
        """Send an image's data."""
        self.account.upload(Service.IMAGE, f"/images/{image}/file", data)

    def fetch(self, image: str, url: str) -> None:
        """Let the cloud fetch an image's data (https://docs.openstack.org/glance/latest/admin/interoperable-image-import.html)."""
        body = {"method": {"name": "web-download", "uri": url}}
        self.account.post(Service.IMAGE, f"/images/{image}/import", body)

    def await_active(self, image: str, *, importing: bool = False) -> Image:
        """Wait until an image can be used; returns it. A new one may not be known everywhere yet."""
        seen = False

        def look() -> Image | None:
            nonlocal seen
            found: Image | None = self.account.find(Service.IMAGE, f"/images/{image}")
            if found is None and seen:
                hint = "the cloud's operator can see why; is there room for it?"
                raise CloudError(f"the cloud has given up the image `{image}`", hint=hint)
            seen = seen or found is not None
            if found is None:
                return None
            failed = found.get("os_glance_failed_import")
            if found["status"] in _BROKEN or (importing and failed and found["status"] == "queued"):
                raise CloudError(f"the image `{image}` could not be made: it is {found['status']}")
            return found if found["status"] == "active" else None

        what, hint = f"the image `{image}` to be active", "raise `state_timeout`"
        return wait_for(look, what, cancellation=self.account.cancellation, limit=self.limit, hint=hint)

    def complete(self, image: str, config: ImageConfig, *, protected: bool = False) -> None:
        """Make an active image what the options say, and take the build's mark off it at last."""
        if config.image_members:
            self.shape(image, Wanted.of(config, finished=False))
            self.share(image, config)
        self.shape(image, Wanted.of(config, finished=True, protected=protected))

    def shape(self, image: str, wanted: Wanted) -> None:
        """Make an image what it is to be; what was done already is not done again."""

        def attempt() -> None:
            if changes := wanted.changes_to(self.get(image)):
                self.account.request(Service.IMAGE, "PATCH", f"/images/{image}", body=changes, headers=_PATCH)

        try:
            insist(attempt, cancellation=self.account.cancellation)
        except CloudError as error:
            if error.status == 403 and wanted.visibility in (Visibility.PUBLIC, Visibility.COMMUNITY):
                error.hint = f"not everyone may make an image {wanted.visibility}: see `image_visibility`"
            raise

    def share(self, image: str, config: ImageConfig) -> None:
        """Add the members (https://docs.openstack.org/api-ref/image/v2/#sharing)."""
        for member in config.image_members:
            path = f"/images/{image}/members"
            try:
                self.account.post(Service.IMAGE, path, {"member": member}, repeatable=True)
            except CloudError as error:
                if error.status != 409:  # it is one already
                    raise
            if config.image_auto_accept_members:
                self.account.put(Service.IMAGE, f"{path}/{member}", {"status": "accepted"})

    def delete(self, image: str) -> None:
        self.account.delete(Service.IMAGE, f"/images/{image}")


def mark_of(image: Image) -> RunMark | None:
    """The mark on an image: in its properties, or, of what Cinder makes, in its name."""
    return RunMark.read({key: str(image[key]) for key in _MARKS if key in image}) or RunMark.read_name(
        str(image.get("name") or "")
    )


_LIST_HINT = "`openstack image list` shows those that there are"


def _only(found: list[Image], which: str, *, most_recent: bool) -> Image:
    if not found:
        raise CloudError(f"there is no image {which}", status=404, hint=_LIST_HINT)
    if len(found) > 1 and not most_recent:
        ids = ", ".join(f"`{image['id']}`" for image in found[:_SHOWN])
        more = ", ..." if len(found) > _SHOWN else ""
        hint = "set `most_recent = true` in `source_image_filter`, or name one with `source_image`"
        raise CloudError(f"there are {len(found)} images {which}: {ids}{more}", hint=hint)
    return max(found, key=lambda image: str(image.get("created_at") or ""))


def _usable(image: Image) -> Image:
    if image["status"] != "active":
        raise CloudError(f"the image `{image['id']}` cannot be used: it is {image['status']}")
    return image


def _pointer(key: str) -> str:
    """A part of a JSON pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")
