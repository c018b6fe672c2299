"""What `validate` says about a `googlecompute` source."""

from __future__ import annotations

import pytest

from vmforge.builders.googlecompute.builder import GoogleComputeBuilder
from vmforge.builders.googlecompute.config import GoogleComputeConfig
from vmforge.sdk import Value
from vmforge.sdk.testing import configure

SOURCE: dict[str, Value] = {"project_id": "acme", "zone": "europe-west1-b", "source_image": "debian"}
KEY: Value = {"kmsKeyName": "k", "rawKey": "a2V5"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"project_id": ""}, "`project_id` is empty"),
        ({"zone": ""}, "`zone` is empty"),
        ({"source_image": ""}, "there is no image to start from"),
        ({"image_labels": {"Team": "web"}}, "`Team = web` cannot be a label"),
        ({"labels": {"team": "Web"}}, "`team = Web` cannot be a label"),
        ({"omit_external_ip": True}, "nothing leads to an instance without an external address"),
        ({"omit_external_ip": True, "use_iap": True, "address": "a"}, "are both set"),
        ({"wait_to_add_ssh_keys": "-1s"}, "`wait_to_add_ssh_keys` is negative"),
        ({"preemptible": True, "on_host_maintenance": "MIGRATE"}, "cannot migrate"),
        ({"accelerator_type": "t4"}, "`accelerator_type` needs `accelerator_count`"),
        ({"accelerator_count": 1}, "`accelerator_count` needs `accelerator_type`"),
        ({"accelerator_type": "t4", "accelerator_count": 1}, "an instance with accelerators cannot migrate"),
        ({"enable_integrity_monitoring": True}, "needs `enable_vtpm`"),
        ({"max_run_duration_in_seconds": 60}, "needs `instance_termination_action`"),
        ({"image_storage_locations": ["eu", "us"]}, "an image is kept at one location"),
        (
            {"disk_attachment": [{"create_image": True, "volume_type": "a", "volume_size": 1}] * 2},
            "one disk only",
        ),
        ({"disk_attachment": [{"keep_device": True}]}, "a scratch disk cannot have `keep_device`"),
        ({"disk_attachment": [{"volume_size": 10}]}, "a scratch disk has 375 GB"),
        ({"disk_attachment": [{"volume_type": "pd-ssd"}]}, "`volume_size` is missing"),
        ({"disk_attachment": [{"attachment_mode": "RW"}]}, "`attachment_mode` is"),
        ({"disk_attachment": [{"interface_type": "IDE"}]}, "`interface_type` is"),
        ({"disk_encryption_key": KEY}, "either `kmsKeyName` or `rawKey`"),
        ({"startup_script_file": "none.sh"}, "there is no file `none.sh`"),
        ({"metadata_files": {"a": "none"}}, "there is no file `none`"),
        ({"image_architecture": "sparc"}, "`sparc` is none of"),
    ],
)
def test_mistakes(options: dict[str, Value], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        configure(GoogleComputeBuilder, SOURCE | options)


def test_options_that_do_nothing_are_warned_of() -> None:
    options: dict[str, Value] = {"iap_hashbang": "/bin/bash", "iap_ext": ".bash"}
    with pytest.raises(ValueError, match=r"`iap_hashbang` has no effect.*\n.*`iap_ext` has no effect"):
        configure(GoogleComputeBuilder, SOURCE | options)


def test_the_region_is_the_zones() -> None:
    builder = configure(GoogleComputeBuilder, SOURCE)
    assert isinstance(builder.config, GoogleComputeConfig)
    assert builder.config.region_name == "europe-west1"
    assert builder.config.image_project == "acme"
