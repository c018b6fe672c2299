"""The builder `azure-arm`: what is judged before anything starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vmforge.builders.azure.config import AzureArmConfig
from vmforge.builders.azure.login import check_login
from vmforge.sdk import BuildContext, Presets, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.cloud import Cloud, CloudBuilder, RunMark
from vmforge.sdk.extras import missing_library
from vmforge.sdk.interpolate import Interpolator

BUILDER_ID = "Azure.ResourceManagement.VMImage"
# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
_IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,78}[A-Za-z0-9_]|[A-Za-z0-9]")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_MOST_TAGS = 15
_LONGEST_PREFIX = 10


class AzureArmBuilder(CloudBuilder[AzureArmConfig]):
    config_type = AzureArmConfig
    builder_id = BUILDER_ID
    summary = "makes a managed image, a gallery's image or a VHD out of a virtual machine in Azure"

    @classmethod
    def presets(cls, body: Body, engine: Interpolator) -> Presets:
        """Azure takes RSA keys everywhere, others not yet."""
        return Presets({"temporary_key_pair_type": "rsa"})

    @classmethod
    def check(cls, config: AzureArmConfig) -> Iterable[Problem]:
        yield from missing_library("azure", "azure.identity")
        yield from check_login(config)
        yield from _check_source(config)
        yield from _check_destination(config)
        yield from _check_machine(config)

    def open(self, context: BuildContext, mark: RunMark) -> Cloud:
        from vmforge.builders.azure.cloud import AzureCloud

        return AzureCloud(self.config, context, mark)


def _check_source(config: AzureArmConfig) -> Iterator[Problem]:
    if not config.sources:
        hint = "set `image_publisher`, `image_offer` and `image_sku`, or `shared_image_gallery`"
        yield Problem("there is no image to start from", hint=hint)
    if len(config.sources) > 1 and set(config.sources) != {"image_publisher", "shared_image_gallery"}:
        named = " and ".join(f"`{name}`" for name in config.sources)
        yield Problem(f"{named} both name an image to start from", config.sources[1], hint="keep one of them")
    if "image_publisher" in config.sources:
        for name in ("image_publisher", "image_offer", "image_sku"):
            if not getattr(config, name) and "shared_image_gallery" not in config.sources:
                yield Problem(f"`{name}` is not set", name, hint="a marketplace image needs all three")
    if config.custom_managed_image_name and not config.custom_managed_image_resource_group_name:
        summary = "`custom_managed_image_name` is set without its resource group"
        yield Problem(summary, "custom_managed_image_resource_group_name")
    plan = config.plan_info
    if any((plan.plan_name, plan.plan_product, plan.plan_publisher)) and not all(
        (plan.plan_name, plan.plan_product, plan.plan_publisher)
    ):
        yield Problem("a plan has a name, a product and a publisher", "plan_info")


def _check_destination(config: AzureArmConfig) -> Iterator[Problem]:
    gallery = config.shared_image_gallery_destination
    if not (config.managed_image_name or gallery.is_set or config.makes_vhd or config.skip_create_image):
        hint = "set `managed_image_name`, `shared_image_gallery_destination` or `capture_container_name`"
        yield Problem("nothing says what image to make", hint=hint)
    if config.makes_vhd and (config.managed_image_name or gallery.is_set):
        yield Problem("a VHD and a managed image cannot both be made", "capture_container_name")
    if config.makes_vhd:
        for name in ("capture_name_prefix", "storage_account", "resource_group_name"):
            if not getattr(config, name):
                yield Problem(f"`capture_container_name` is set without `{name}`", name)
    if bool(config.managed_image_name) != bool(config.managed_image_resource_group_name):
        summary = "`managed_image_name` and `managed_image_resource_group_name` belong together"
        yield Problem(summary, "managed_image_name")
    if config.managed_image_name and not _IMAGE_NAME.fullmatch(config.managed_image_name):
        hint = (
            "up to 80 letters, digits, `.`, `-` and `_`; the first a letter or digit, the last none of `.-`"
        )
        yield Problem(
            f"`{config.managed_image_name}` is no name of an image", "managed_image_name", hint=hint
        )
    if gallery.is_set:
        for name in ("resource_group", "image_name", "image_version"):
            if not getattr(gallery, name):
                yield Problem(f"`{name}` is not set", "shared_image_gallery_destination", part=name)
        if gallery.image_version and not _VERSION.fullmatch(gallery.image_version):
            summary = f"`{gallery.image_version}` is no version: write `1.2.3`"
            yield Problem(summary, "shared_image_gallery_destination", part="image_version")
    elif config.shared_gallery_image_version_exclude_from_latest and not config.managed_image_name:
        yield Problem("there is no gallery", "shared_gallery_image_version_exclude_from_latest", warning=True)


def _check_machine(config: AzureArmConfig) -> Iterator[Problem]:
    if config.os_type.lower() not in ("linux", "windows"):
        yield Problem("`os_type` is `Linux` or `Windows`", "os_type")
    if bool(config.location) == bool(config.build_resource_group_name):
        hint = "the region of an existing resource group is used"
        yield Problem("set `location` or `build_resource_group_name`, one of them", "location", hint=hint)
    if config.build_resource_group_name and config.temp_resource_group_name:
        yield Problem(
            "`temp_resource_group_name` and `build_resource_group_name` are both set",
            "temp_resource_group_name",
        )
    if config.custom_data and config.custom_data_file is not None:
        yield Problem("`custom_data` and `custom_data_file` are both set", "custom_data")
    if config.user_data and config.user_data_file is not None:
        yield Problem("`user_data` and `user_data_file` are both set", "user_data")
    if len(config.tags) > _MOST_TAGS:
        yield Problem(f"{len(config.tags)} tags are too many", "azure_tags", hint=f"{_MOST_TAGS} at most")
    if len(config.custom_resource_build_prefix) > _LONGEST_PREFIX:
        yield Problem("the prefix has more than 10 characters", "custom_resource_build_prefix")
    if config.virtual_network_subnet_name and not config.virtual_network_name:
        yield Problem("a subnet is named without its network", "virtual_network_subnet_name")
    if config.disk_caching_type.lower() not in ("none", "readonly", "readwrite"):
        yield Problem("`disk_caching_type` is `None`, `ReadOnly` or `ReadWrite`", "disk_caching_type")
    if config.keep_os_disk and not config.build_resource_group_name:
        yield Problem("`keep_os_disk` needs `build_resource_group_name`", "keep_os_disk")
