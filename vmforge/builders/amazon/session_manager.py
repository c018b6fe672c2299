"""A tunnel to the instance through AWS Systems Manager: no open port, no public address.

AWS's own program, `session-manager-plugin`, speaks the protocol; it gets the session from us
(https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from typing import Any, Final

from vmforge.builders.amazon.api import Account
from vmforge.builders.amazon.options.run import RunConfig
from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk import BuildContext, Duration, Endpoint
from vmforge.sdk.cloud import CloudError, Resource, delete_quietly, insist

PROGRAM: Final = "session-manager-plugin"
_DOCUMENT: Final = "AWS-StartPortForwardingSession"
# How long the agent in the guest may take until it has reported to Systems Manager.
_AGENT: Final = Duration(600)
_GUIDE: Final = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"


@dataclass
class Tunnel:
    """From a port of this machine to one of the instance. It is opened anew when it has ended, as it does
    when the instance restarts."""

    config: RunConfig
    account: Account
    deleting: Account
    instance: str
    port: int
    _local: int = field(default=0, init=False)
    _session: str = field(default="", init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def resource(self, context: BuildContext) -> Resource[str]:
        return Resource(
            "Opening the tunnel", "tunnel", lambda: self._open(context), lambda made: self._close()
        )

    def endpoint(self) -> Endpoint:
        if self._process is None or self._process.poll() is not None:
            try:
                self._start()
            except CloudError as error:
                raise CommunicatorError(
                    f"the tunnel cannot be opened: {error.message}", hint=error.hint
                ) from None
        return Endpoint("127.0.0.1", self._local)

    def _open(self, context: BuildContext) -> str:
        if shutil.which(PROGRAM) is None:
            raise HostError(f"`{PROGRAM}` is not installed", hint=f"see {_GUIDE}")
        context.cancellation.wait(self.config.pause_before_ssm.seconds)
        self._local = self.config.session_manager_port or _free_port()

        def start() -> None:
            try:
                self._start()
            except CloudError as error:
                # until the guest's agent has reported, Systems Manager does not know the instance
                error.transient = error.transient or error.code == "TargetNotConnected"
                raise

        try:
            insist(start, cancellation=context.cancellation, limit=_AGENT.seconds)
        except CloudError as error:
            if error.code == "TargetNotConnected":
                error.hint = (
                    "the image needs AWS's agent, the instance a profile with `AmazonSSMManagedInstanceCore`"
                )
            raise
        return f"127.0.0.1:{self._local}"

    def _start(self) -> None:
        self._close()
        request: dict[str, Any] = {
            "Target": self.instance,
            "DocumentName": _DOCUMENT,
            "Parameters": {"portNumber": [str(self.port)], "localPortNumber": [str(self._local)]},
        }
        answer = self.account.api("ssm")("start_session", **request)
        self._session = str(answer["SessionId"])
        session = {key: answer[key] for key in ("SessionId", "TokenValue", "StreamUrl")}
        # the token is on the program's command line: it takes it from nowhere else
        arguments = [json.dumps(session), self.account.region, "StartSession", "", json.dumps(request), ""]
        self._process = subprocess.Popen(
            [PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self.account.credentials()},
            start_new_session=True,
        )

    def _close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._session:
            session, self._session = self._session, ""
            delete_quietly(lambda: self.deleting.api("ssm")("terminate_session", SessionId=session))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
