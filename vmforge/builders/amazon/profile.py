"""An instance profile for one build: what the instance may do in the account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from vmforge.builders.amazon.api import Account, Api
from vmforge.builders.amazon.options.blocks import PolicyDocument
from vmforge.builders.amazon.tagging import as_api
from vmforge.sdk.cloud import CloudError, RunMark

# Profiles are found again by it: what lists them tells no tags.
PATH: Final = "/vmforge/"
_POLICY: Final = "build"
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def make_profile(account: Account, mark: RunMark, document: PolicyDocument, tags: dict[str, str]) -> str:
    """A profile, and a role of the same name; returns that."""
    iam, name, listed = account.api("iam"), mark.name, as_api(tags)
    trust = json.dumps(_TRUST)
    iam("create_role", RoleName=name, Path=PATH, AssumeRolePolicyDocument=trust, Tags=listed)
    iam("put_role_policy", RoleName=name, PolicyName=_POLICY, PolicyDocument=policy_text(document))
    iam("create_instance_profile", InstanceProfileName=name, Path=PATH, Tags=listed)
    iam("add_role_to_instance_profile", InstanceProfileName=name, RoleName=name)
    return name


def policy_text(document: PolicyDocument) -> str:
    statements = [
        {"Effect": one.Effect, "Action": list(one.Action), "Resource": list(one.Resource)}
        for one in document.Statement
    ]
    return json.dumps({"Version": document.Version, "Statement": statements})


def delete_profile(account: Account, name: str) -> None:
    """Delete what there is of a profile and its role."""
    iam = account.api("iam")
    for operation, request in (
        ("remove_role_from_instance_profile", {"InstanceProfileName": name, "RoleName": name}),
        ("delete_instance_profile", {"InstanceProfileName": name}),
        ("delete_role_policy", {"RoleName": name, "PolicyName": _POLICY}),
        ("delete_role", {"RoleName": name}),
    ):
        _if_there(iam, operation, request)


def profiles_left(account: Account) -> Iterator[tuple[str, RunMark]]:
    """The profiles and roles of builds; none where the login may not ask."""
    iam = account.api("iam")
    found: dict[str, RunMark] = {}
    try:
        for kind in ("InstanceProfile", "Role"):
            operation = "list_instance_profiles" if kind == "InstanceProfile" else "list_roles"
            for one in iam.items(operation, f"{kind}s", PathPrefix=PATH):
                if mark := RunMark.read_name(str(one[f"{kind}Name"])):
                    found[str(one[f"{kind}Name"])] = mark
    except CloudError as error:
        if error.status not in (400, 403):
            raise
    yield from found.items()


def check_profile(account: Account, name: str) -> None:
    """That a profile exists. Raises `CloudError`."""
    account.api("iam")("get_instance_profile", InstanceProfileName=name)


def _if_there(iam: Api, operation: str, request: dict[str, Any]) -> None:
    try:
        iam(operation, **request)
    except CloudError as error:
        if not (error.is_absence or error.code == "NoSuchEntity"):
            raise
