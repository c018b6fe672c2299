"""All options of the builders, and what EC2 is asked for because of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.amazon.ebs import AmazonEbsBuilder, EbsConfig
from vmforge.builders.amazon.finishing import fast_launch_request, launch_permissions
from vmforge.builders.amazon.options.ami import check_ami
from vmforge.builders.amazon.options.blocks import api_filters, given
from vmforge.builders.amazon.places import Place, permission
from vmforge.builders.amazon.requests import Launch, fleet_request, instance_request, template_request
from vmforge.builders.amazon.surrogate import AmazonEbsSurrogateBuilder, SurrogateConfig, image_request
from vmforge.builders.amazon.unsupported import AmazonChrootBuilder, AmazonInstanceBuilder
from vmforge.pipeline.plan import Planner
from vmforge.sdk.registry import Registry
from vmforge.sdk.testing import configure
from vmforge.template import VariableInputs, load

STARTED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
TEMPLATES = Path(__file__).parent / "templates"


def planned(name: str) -> dict[str, Any]:
    """The configurations of a template's sources, by label; it has no mistake."""
    template = load(TEMPLATES / name, VariableInputs(), started=STARTED)
    planner = Planner(template, Registry(), STARTED)
    builds = planner.plan().builds
    assert [d.summary for d in planner.diagnostics if d.severity.value == "error"] == []
    return {build.name: build.builder.config for build in builds}


LAUNCH = Launch(
    "ami-1",
    "key",
    ("sg-1",),
    "profile",
    b"#cloud-config\n",
    {"Name": "web", "vmforge-run": "run"},
    (),
    {"volume": "yes"},
    {"spot": "yes"},
    {"fleet": "yes"},
)


def launch(config: EbsConfig) -> Launch:
    return replace(LAUNCH, devices=config.launch_block_device_mappings)


def test_an_instance_with_all_options(golden: Callable[[str, str], None]) -> None:
    config = planned("all_options.pkr.hcl")["everything"]
    request = instance_request(config, launch(config), "t3.micro", Place("subnet-1", "us-east-1a", "vpc-1"))
    golden("builders/amazon/run_instances.json", _text(request))


def test_a_spot_instance_with_all_options(golden: Callable[[str, str], None]) -> None:
    config = planned("all_options.pkr.hcl")["spot"]
    here = Place(zone="us-east-1a")
    golden(
        "builders/amazon/spot_instance.json",
        _text(instance_request(config, launch(config), "t3.micro", here)),
    )


def test_a_fleet_with_all_options(golden: Callable[[str, str], None]) -> None:
    config = planned("all_options.pkr.hcl")["fleet"]
    places = [Place("subnet-1", "us-east-1a"), Place("subnet-2", "us-east-1b")]
    template = template_request(config, launch(config), places[0])
    fleet = fleet_request(config, launch(config), "lt-1", config.instance_types, places)
    golden("builders/amazon/fleet.json", _text({"template": template, "fleet": fleet}))


def test_an_image_with_all_options(golden: Callable[[str, str], None]) -> None:
    config = planned("all_options.pkr.hcl")["everything"]
    assert config.regions == ("eu-west-1", "eu-central-1")
    told = {
        "tags": config.image_tags,
        "permissions": launch_permissions(config),
        "fast launch": {
            r: fast_launch_request(config.fast_launch, r) for r in ("us-east-1", *config.regions)
        },
    }
    golden("builders/amazon/image.json", _text(told))


def test_a_surrogate_with_all_options(golden: Callable[[str, str], None]) -> None:
    config = planned("all_options.pkr.hcl")["surrogate"]
    assert isinstance(config, SurrogateConfig)
    request = image_request(config, {"/dev/sdb": "snap-root", "/dev/sdc": "snap-data"})
    golden("builders/amazon/surrogate.json", _text(request))


def _text(request: Any) -> str:
    def plain(value: object) -> str:
        assert isinstance(value, bytes)
        return value.decode()

    return json.dumps(request, indent=2, sort_keys=True, default=plain) + "\n"


def test_what_builds_nothing_says_so() -> None:
    configs = planned("all_options.pkr.hcl")
    assert configs["in-s3"].bundle_prefix == "image"
    assert configs["from-within"].chroot_mounts == (("proc", "proc", "/proc"),)
    for builder, label in ((AmazonInstanceBuilder, "in-s3"), (AmazonChrootBuilder, "from-within")):
        problems = list(builder.check(configs[label]))  # type: ignore[attr-defined]
        assert problems[-1].warning
        assert "vmforge makes no images" in problems[-1].summary


BASE: dict[str, Any] = {"source_ami": "ami-1", "instance_type": "t3.micro", "ami_name": "web"}


@pytest.mark.parametrize(
    ("options", "summary"),
    [
        ({"source_ami": ""}, "the image to start from is not named"),
        ({"source_ami": "", "source_ami_filter": {"filters": {"name": "x"}}}, "has no `owners`"),
        ({"instance_type": ""}, "`instance_type` is missing"),
        ({"spot_instance_types": ["t3.small"]}, "`instance_type` and `spot_instance_types`"),
        ({"spot_tags": {"a": "b"}}, "`spot_tags` means nothing without `spot_price`"),
        ({"spot_price": "auto", "block_duration_minutes": 90}, "60, 120, 180"),
        ({"spot_price": "auto", "enable_nitro_enclave": True}, "no enclaves"),
        ({"spot_price": "1", "instance_type": "t2.micro", "enable_unlimited_credits": True}, "type `t2`"),
        ({"ami_name": ""}, "`ami_name` is missing"),
        ({"ami_name": "a:b"}, "`a:b` cannot be an image's name"),
        ({"region": "europe"}, "`europe` is no name of a region"),
        ({"ami_regions": ["nowhere"]}, "`nowhere` is no name of a region"),
        ({"access_key": "A"}, "go together"),
        (
            {"vault_aws_engine": {"name": "x", "engine_name": "aws", "role_arn": "a", "ttl": "1h"}},
            "Vault's AWS engine is not supported",
        ),
        ({"assume_role": {"session_name": "x"}}, "`assume_role` has no `role_arn`"),
        ({"user_data": "x", "user_data_file": "/dev/null"}, "only one of them"),
        ({"user_data_file": "/nonexistent"}, "there is no file `/nonexistent`"),
        ({"security_group_id": "sg-1", "security_group_ids": ["sg-2"]}, "only one of them"),
        ({"subnet_id": "subnet-1", "subnet_ids": ["subnet-2"]}, "only one of them"),
        ({"tenancy": "host", "placement": {"tenancy": "default"}}, "differ"),
        ({"capacity_reservation_preference": "maybe"}, "`open` or `none`"),
        ({"run_tags": {"a": "{{ .SourceAMIX }}"}}, "unknown field `.SourceAMIX`"),
        ({"ami_description": "{{ .Nothing }}"}, "unknown field `.Nothing`"),
        ({"launch_block_device_mappings": [{"volume_size": 8}]}, "no `device_name`"),
        ({"skip_save_build_region": True}, "kept nowhere"),
        ({"deprecate_at": "soon"}, "`soon` is no time"),
        ({"tpm_support": "v2.0"}, "a TPM needs UEFI"),
        ({"imds_support": "v1"}, "`imds_support` is `v2.0`"),
        ({"fast_launch": {"max_parallel_launches": 5}}, "6 or more"),
        ({"region_kms_key_ids": {"eu-west-1": "alias/x"}}, "is not copied to `eu-west-1`"),
        ({"snapshot_users": ["1"], "encrypt_boot": True}, "the default key encrypts"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_asked(options: dict[str, Any], summary: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        configure(AmazonEbsBuilder, {**BASE, **options})
    assert summary in str(raised.value)


def test_a_surrogate_needs_the_volume_that_it_is_made_of() -> None:
    root = {"source_device_name": "/dev/sdx"}
    with pytest.raises(ValueError, match="there is no volume `/dev/sdx`"):
        configure(AmazonEbsSurrogateBuilder, {**BASE, "ami_root_device": root})
    mappings = [{"device_name": "/dev/sdx"}]
    options = {"launch_block_device_mappings": mappings, "ami_root_device": root, "use_create_image": True}
    with pytest.raises(ValueError, match="`use_create_image` is not supported"):
        configure(AmazonEbsSurrogateBuilder, {**BASE, **options})


def test_lists_may_be_written_as_json_templates_write_them() -> None:
    assert given(["a, b", "", "c"]) == ("a", "b", "c")
    assert api_filters({"name": "x,y"}) == [{"Name": "name", "Values": ["x", "y"]}]


def test_who_may_connect_over_both_protocols() -> None:
    assert permission(22, ["10.0.0.0/8", "::/0"]) == [
        {
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 22,
            "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
            "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
        }
    ]


def test_an_option_that_no_library_is_there_for_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmforge.sdk.extras.is_installed", lambda library: False)
    problems = list(check_ami(EbsConfig(**BASE)))
    assert [problem.warning for problem in problems] == [True]
    assert "pip install 'vmforge[aws]'" in problems[0].hint
