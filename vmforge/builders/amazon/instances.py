"""Instances: started where there is room for one, watched, stopped, ended."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from vmforge.builders.amazon.api import NO_ROOM, Account, Api
from vmforge.builders.amazon.options.access import limit_of
from vmforge.builders.amazon.options.run import RunConfig
from vmforge.builders.amazon.places import Place
from vmforge.builders.amazon.requests import Launch, fleet_request, instance_request, template_request
from vmforge.builders.amazon.tagging import specification
from vmforge.sdk import Duration, Ui
from vmforge.sdk.cloud import CloudError, Resource, RunMark, insist, wait_for
from vmforge.sdk.mark import BUILD, RUN

T = TypeVar("T")

_START, _STOP, _END = Duration(600), Duration(1800), Duration(600)
# A profile that was just made is not known everywhere for so many seconds.
_PROFILE_SECONDS = 120.0
_SPOT = "AWS wanted the spot instance back: try again, or leave `spot_price` out"
_ENDED = ("shutting-down", "terminated")


@dataclass
class Instances:
    """The instances of one build."""

    config: RunConfig
    account: Account
    deleting: Account
    mark: RunMark
    ui: Ui

    @property
    def ec2(self) -> Api:
        return self.account.api()

    def launch(self, launch: Launch, places: Sequence[Place]) -> str:
        """Start one, at the first place that has room; returns its id. Raises `CloudError`."""
        kinds = self.config.instance_types
        if self.config.is_spot and (len(kinds) > 1 or self.config.spot_allocation_strategy):
            return self._launch_from_fleet(launch, places)
        refusals: list[CloudError] = []
        for kind in kinds:
            for place in places:
                try:
                    return self._launch_at(launch, kind, place)
                except CloudError as error:
                    if error.code not in NO_ROOM:
                        raise
                    refusals.append(error)
                    self.ui.message(f"no room for `{kind}` in {place}: {error.code}")
        raise self._no_room(refusals[-1], places)

    def _launch_at(self, launch: Launch, kind: str, place: Place) -> str:
        request = instance_request(self.config, launch, kind, place)
        token = str(uuid.uuid4())  # so that repeating the request starts no second one

        def run() -> str:
            try:
                answer = self.ec2("run_instances", ClientToken=token, **request)
            except CloudError as error:
                profile_is_new = "iaminstanceprofile" in error.message.lower().replace(" ", "")
                if launch.profile and profile_is_new and not self.config.iam_instance_profile:
                    error.transient = True
                raise
            return str(answer["Instances"][0]["InstanceId"])

        return insist(run, cancellation=self.account.cancellation, limit=_PROFILE_SECONDS)

    def _no_room(self, error: CloudError, places: Sequence[Place]) -> CloudError:
        kinds = ", ".join(f"`{kind}`" for kind in self.config.instance_types)
        where = ", ".join(dict.fromkeys(str(place) for place in places))
        hint = "try another `instance_type`, or more zones: `subnet_ids`, or a `subnet_filter` that fits them"
        if self.config.is_spot:
            hint = "name several `spot_instance_types`, pay more, or leave `spot_price` out"
        return CloudError(
            f"there is no room for {kinds} in {where}: {error.message}", code=error.code, hint=hint
        )

    def _launch_from_fleet(self, launch: Launch, places: Sequence[Place]) -> str:
        """By a launch template, which is needed for just that."""
        data = template_request(self.config, launch, places[0])
        answer = self.ec2(
            "create_launch_template",
            LaunchTemplateName=self.mark.name,
            LaunchTemplateData=data,
            TagSpecifications=specification(("launch-template",), self.mark.tags),
            ClientToken=str(uuid.uuid4()),
        )
        template = str(answer["LaunchTemplate"]["LaunchTemplateId"])
        request = fleet_request(self.config, launch, template, self.config.instance_types, places)
        try:
            answer = self.ec2("create_fleet", ClientToken=str(uuid.uuid4()), **request)
        finally:
            self.deleting.api()("delete_launch_template", LaunchTemplateId=template)
        ids = [id for group in answer.get("Instances") or () for id in group.get("InstanceIds") or ()]
        if ids:
            return str(ids[0])
        said = (answer.get("Errors") or [{}])[0]
        code = str(said.get("ErrorCode", "UnfulfillableCapacity"))
        error = CloudError(str(said.get("ErrorMessage") or "the fleet stayed empty"), code=code)
        raise self._no_room(error, places) if code in NO_ROOM else error

    def describe(self, id: str, account: Account | None = None) -> dict[str, Any] | None:
        """What EC2 says of an instance; None while it does not know it yet, or no more."""
        try:
            answer = (account or self.account).api()("describe_instances", InstanceIds=[id])
        except CloudError as error:
            if error.is_absence:
                return None
            raise
        found = [one for group in answer.get("Reservations") or () for one in group.get("Instances") or ()]
        return found[0] if found else None

    def wait_until_running(self, id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.describe(id)
            if found is not None:
                raise_if_ended(found)
            return found if found and found["State"]["Name"] == "running" else None

        return self._wait(look, f"the instance `{id}` to run", _START)

    def stop(self, id: str, *, itself: bool) -> None:
        """Stop an instance, unless it does so `itself`, and wait until it has stopped."""
        if not itself:
            insist(
                lambda: self.ec2("stop_instances", InstanceIds=[id]), cancellation=self.account.cancellation
            )

        def look() -> bool | None:
            found = self.describe(id)
            if found is not None:
                raise_if_ended(found)
            return True if found and found["State"]["Name"] == "stopped" else None

        hint = "`disable_stop_instance` leaves it to the last provisioner to stop it" if itself else ""
        self._wait(look, f"the instance `{id}` to stop", _STOP, hint)

    def end(self, id: str) -> None:
        """Terminate an instance, wait until it is gone, and delete the volumes that it leaves."""
        end_instance(self.deleting, id)
        for volume in self.volumes_left():
            delete_volume(self.deleting, volume)

    def volumes_left(self) -> Iterator[str]:
        """This build's volumes that no instance has any more."""
        tags = self.mark.tags
        found = self.deleting.api().items(
            "describe_volumes",
            "Volumes",
            Filters=[
                *({"Name": f"tag:{key}", "Values": [tags[key]]} for key in (RUN, BUILD)),
                {"Name": "status", "Values": ["available"]},
            ],
        )
        return (str(volume["VolumeId"]) for volume in found)

    def enable_networking(self, id: str, *, ena: bool | None, sriov: bool) -> None:
        """What images have from their instance: whether they can use EC2's network cards."""
        if sriov:
            self.ec2("modify_instance_attribute", InstanceId=id, SriovNetSupport={"Value": "simple"})
        if ena is not None:
            self.ec2("modify_instance_attribute", InstanceId=id, EnaSupport={"Value": ena})

    def resource(self, launch: Launch, places: Sequence[Place]) -> Resource[str]:
        kinds = ", ".join(f"`{kind}`" for kind in self.config.instance_types)
        return Resource(
            f"Launching the instance ({kinds})",
            "instance",
            lambda: self.launch(launch, places),
            self.end,
            ready=self.wait_until_running,
        )

    def _wait(self, look: Callable[[], T | None], what: str, limit: Duration, hint: str = "") -> T:
        return wait_for(
            look,
            what,
            cancellation=self.account.cancellation,
            limit=limit_of(self.config, limit),
            longest_pause=self.config.aws_polling.delay_seconds or 5.0,
            hint=hint,
        )


def raise_if_ended(instance: dict[str, Any]) -> None:
    """Raise `CloudError` for an instance that is gone, or going."""
    if instance["State"]["Name"] not in _ENDED:
        return
    reason = instance.get("StateReason") or {}
    code, message = str(reason.get("Code", "")), str(reason.get("Message", ""))
    hint = {
        "Server.SpotInstanceTermination": _SPOT,
        "Server.SpotInstanceShutdown": _SPOT,
        "Client.InstanceInitiatedShutdown": "it shut itself down: look at `user_data`",
        "Client.VolumeLimitExceeded": "ask AWS for a higher quota, or delete volumes",
        "Client.InternalError": "an encrypted volume needs a key that this login may use",
    }.get(code, "")
    text = f"the instance `{instance['InstanceId']}` was ended"
    said = message or code
    raise CloudError(f"{text}: {said}" if said else text, code=code, hint=hint)


def end_instance(account: Account, id: str, region: str = "") -> None:
    """Terminate an instance and wait until it is gone; it need not exist."""
    ec2 = account.api("ec2", region)
    try:
        ec2("terminate_instances", InstanceIds=[id])
    except CloudError as error:
        if error.is_absence:
            return
        if error.code != "OperationNotPermitted":
            raise
        # it is protected from being terminated
        ec2("modify_instance_attribute", InstanceId=id, DisableApiTermination={"Value": False})
        ec2("terminate_instances", InstanceIds=[id])

    def look() -> bool | None:
        try:
            answer = ec2("describe_instances", InstanceIds=[id])
        except CloudError as error:
            if error.is_absence:
                return True
            raise
        states = [
            one["State"]["Name"] for group in answer.get("Reservations") or () for one in group["Instances"]
        ]
        return True if all(state == "terminated" for state in states) else None

    limit = limit_of(account.config, _END)
    wait_for(look, f"the instance `{id}` to end", cancellation=account.cancellation, limit=limit)


def delete_volume(account: Account, id: str, region: str = "") -> None:
    try:
        account.api("ec2", region)("delete_volume", VolumeId=id)
    except CloudError as error:
        if not error.is_absence:
            raise
