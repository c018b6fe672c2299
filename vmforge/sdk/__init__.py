"""The contracts between vmforge and its components: all that the author of a builder, provisioner,
post-processor, communicator or data source imports."""

from vmforge.sdk.appliance import APPLIANCE, Appliance, FirmwareKind, appliance_of
from vmforge.sdk.artifact import Artifact, FileArtifact
from vmforge.sdk.builder import Builder
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.communicator import Communicator, Connector, Endpoint, GuestAgent, Output
from vmforge.sdk.component import Component, Problem
from vmforge.sdk.connection import Connection
from vmforge.sdk.context import BuildContext, Machine
from vmforge.sdk.data_source import DataSource
from vmforge.sdk.host import Health, HostFinding
from vmforge.sdk.layers import (
    Beginning,
    FreezableMachine,
    FrozenMachine,
    HostTrait,
    Inputs,
    LayerPolicy,
    Layers,
)
from vmforge.sdk.live import LiveStatus
from vmforge.sdk.options import Config, option
from vmforge.sdk.packages import PackageCache, PackageCounts, PackageProxy
from vmforge.sdk.post_processor import PostProcessor, Processed
from vmforge.sdk.presets import Presets
from vmforge.sdk.provisioner import Provisioner
from vmforge.sdk.steps import Offer, Steps
from vmforge.sdk.ui import Progress, Ui
from vmforge.sdk.values import UNKNOWN, Duration, Secret, Size, Unknown, Value

__all__ = [
    "APPLIANCE",
    "UNKNOWN",
    "Appliance",
    "Artifact",
    "Beginning",
    "BuildContext",
    "Builder",
    "Cancellation",
    "Communicator",
    "Component",
    "Config",
    "Connection",
    "Connector",
    "DataSource",
    "Duration",
    "Endpoint",
    "FileArtifact",
    "FirmwareKind",
    "FreezableMachine",
    "FrozenMachine",
    "GuestAgent",
    "Health",
    "HostFinding",
    "HostTrait",
    "Inputs",
    "LayerPolicy",
    "Layers",
    "LiveStatus",
    "Machine",
    "Offer",
    "Output",
    "PackageCache",
    "PackageCounts",
    "PackageProxy",
    "PostProcessor",
    "Presets",
    "Problem",
    "Processed",
    "Progress",
    "Provisioner",
    "Secret",
    "Size",
    "Steps",
    "Ui",
    "Unknown",
    "Value",
    "appliance_of",
    "option",
]
