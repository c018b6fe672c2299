"""Fakes for the tests of components, and checks that a component keeps its contract, for vmforge's own and
those of plugins; needs no test framework: a check that fails raises `ContractViolation`."""

from vmforge.sdk.testing.builders import check_builder
from vmforge.sdk.testing.communicators import check_communicator, check_connector
from vmforge.sdk.testing.components import ContractViolation, check_component, faults_of
from vmforge.sdk.testing.fakes import (
    FakeCommunicator,
    FakeConnector,
    FakeMachine,
    RecordingProgress,
    RecordingUi,
    configure,
    fake_context,
    render_with,
)
from vmforge.sdk.testing.work import (
    check_artifact,
    check_data_source,
    check_post_processor,
    check_provisioner,
)

__all__ = [
    "ContractViolation",
    "FakeCommunicator",
    "FakeConnector",
    "FakeMachine",
    "RecordingProgress",
    "RecordingUi",
    "check_artifact",
    "check_builder",
    "check_communicator",
    "check_component",
    "check_connector",
    "check_data_source",
    "check_post_processor",
    "check_provisioner",
    "configure",
    "fake_context",
    "faults_of",
    "render_with",
]
