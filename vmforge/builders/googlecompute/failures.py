"""Google Cloud's errors in words: what they mean for a build, and what to try."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vmforge.sdk.cloud import Answer, CloudError
from vmforge.sdk.cloud.rest import read_error

# An operation's error code, or the reason in an answer: what to say, and what to try. Google's own words come
# in the place of `{}`.
_SENTENCES = (
    (
        re.compile(
            r"ZONE_RESOURCE_POOL_EXHAUSTED.*|RESOURCE_POOL_EXHAUSTED.*|STOCKOUT|VM_MIN_COUNT_NOT_REACHED"
        ),
        "the zone has no room for this machine type right now: {}",
        "try again later, or set another `zone` or `machine_type`",
    ),
    (
        re.compile(r"QUOTA_EXCEEDED|quotaExceeded|LIMIT_EXCEEDED"),
        "the project's quota is used up: {}",
        "choose a smaller `machine_type` or `disk_size`, or ask for more at "
        "https://console.cloud.google.com/iam-admin/quotas",
    ),
    (
        re.compile(r"accessNotConfigured|SERVICE_DISABLED"),
        "the project does not use this API: {}",
        "enable it with `gcloud services enable compute.googleapis.com`",
    ),
    (
        re.compile(r"forbidden|PERMISSION_DENIED|PERMISSIONS_ERROR|required"),
        "{}",
        "give the account that logs in the roles `Compute Instance Admin (v1)` and `Service Account User`",
    ),
    (
        re.compile(r"authError|UNAUTHENTICATED"),
        "the login is not valid: {}",
        "run `gcloud auth application-default login`, or renew `access_token`",
    ),
    (
        re.compile(r"CONDITION_NOT_MET|conditionNotMet"),
        "the policies of the organisation do not allow it: {}",
        "`omit_external_ip` with `use_iap`, or `enable_secure_boot`, are what is often asked for",
    ),
)


def explain(answer: Answer) -> tuple[str, str]:
    """The code and the message in an answer: the reason tells more than the status does."""
    body = answer.body if isinstance(answer.body, dict) else {}
    error = body.get("error")
    if not isinstance(error, dict) or not error.get("errors"):
        return read_error(answer)
    first = error["errors"][0]
    code = str(first.get("reason") or error.get("status") or "")
    sentence, _ = _sentence(code, str(error.get("message") or first.get("message") or code))
    return code, sentence


def failure_of(operation: Mapping[str, Any]) -> CloudError:
    """The error of an operation that has failed."""
    errors = operation["error"].get("errors") or [{}]
    code = str(errors[0].get("code", ""))
    said = "; ".join(str(error.get("message") or error.get("code") or "no reason given") for error in errors)
    sentence, hint = _sentence(code, said)
    status = 404 if code == "RESOURCE_NOT_FOUND" else int(operation.get("httpErrorStatusCode") or 0)
    known = f" ({code})" if code and code not in sentence else ""
    return CloudError(f"Google Cloud: {sentence}{known}", code=code, status=status, hint=hint)


def hint_of(error: CloudError) -> str:
    """What to try about an error."""
    return error.hint or _sentence(error.code, "")[1]


def _sentence(code: str, said: str) -> tuple[str, str]:
    said = " ".join(said.split()).rstrip(".")
    for pattern, sentence, hint in _SENTENCES:
        if pattern.fullmatch(code):
            return sentence.format(said), hint
    return said, ""
