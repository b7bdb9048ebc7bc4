"""Who may decide on an approval, how long it waits, and what follows a no."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ledger.errors import InvalidPolicy
from ledger.strict_json import plain

DecidingRole = Literal["operator", "admin"]
OnReject = Literal["end", "resume"]

_MOST_SECONDS: Final = 10 * 366 * 24 * 3600


class ApprovalPolicy(BaseModel):
    """Who may decide, how long there is for it, and what follows a no.

    Attributes:
        required_role: who decides has at least this role.
        not_requester: who asked, for the run or for the approval, does not decide.
        on_reject: whether a no ends the run, which is the rule, or lets it go on without the yes.
        expires_in_s: seconds from the request, after which the server says no.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    required_role: DecidingRole | None = None
    not_requester: bool | None = None
    on_reject: OnReject | None = None
    expires_in_s: float | None = None


def holds_back(config: Mapping[str, Any]) -> bool:
    """Whether a version wants finished work held back for an approval."""
    return config.get("approval_required") is True


def policy_in(given: Any) -> ApprovalPolicy | None:
    """The policy in what came with a version; None when it says nothing of ours.

    Other keys are somebody else's and are passed over. A key of ours with a value that means
    nothing is refused: to pass over it would be to let anybody decide.

    Raises:
        InvalidPolicy: names the key.
    """
    if not isinstance(given, Mapping):
        return None
    try:
        policy = ApprovalPolicy.model_validate(plain(dict(given)), strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise InvalidPolicy(str(problem["loc"][0]), problem["msg"]) from None
    seconds = policy.expires_in_s
    if seconds is not None and not 0 < seconds <= _MOST_SECONDS:
        raise InvalidPolicy("expires_in_s", f"more than 0 and at most {_MOST_SECONDS} seconds")
    return None if policy == ApprovalPolicy() else policy
