import pytest

from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import key_of, started

pytestmark = pytest.mark.both_stores


async def approval_of(api: Api, execution_id: str) -> Json:
    listed = await api.get("/approvals")
    found: Json = next(item for item in listed.data if item["execution_id"] == execution_id)
    return found


async def test_what_waits_is_listed_with_what_its_human_is_shown(
    api: Api, agent: Json, parked: str
) -> None:
    request = await approval_of(api, parked)

    assert request["status"] == "pending"
    assert request["agent_id"] == agent["id"]
    assert request["workspace_id"] == "default"
    assert request["checkpoint_name"] == "send"
    assert request["payload"] == {"to": "ada@example.com"}
    assert request["payload_digest"].startswith("sha256:")
    unset = ("reason", "decided_by", "decided_at", "expires_at")
    assert [request[name] for name in unset] == [None] * 4
    assert (await api.get(f"/approvals/{request['id']}")).data == request


@pytest.mark.parametrize(
    ("decision", "status"), [("approved", "approved"), ("rejected", "rejected")]
)
async def test_a_decision_is_shown_on_the_request_and_moves_the_execution(
    api: Api, parked: str, decision: str, status: str
) -> None:
    request = await approval_of(api, parked)

    decided = await api.post(
        f"/approvals/{request['id']}/decide", {"decision": decision, "reason": "so it is"}
    )

    assert decided.status == 200
    assert decided.data["status"] == decision
    assert decided.data["reason"] == "so it is"
    assert decided.data["decided_at"] is not None
    assert decided.data["payload"] == request["payload"]
    assert (await api.get(f"/executions/{parked}")).data["status"] == status


async def test_who_decided_is_the_holder_of_the_key_whatever_the_body_says(
    api: Api, parked: str
) -> None:
    request = await approval_of(api, parked)
    admin = await key_of(api, "admin", "*")
    operator = await key_of(admin, "operator", "default", "Ada")
    id_ = next(key["id"] for key in (await admin.get("/keys")).data if key["name"] == "Ada")

    decided = await operator.post(
        f"/approvals/{request['id']}/decide", {"decision": "approved", "decided_by": "mallory"}
    )

    assert decided.data["decided_by"] in {id_, "Ada"}


async def test_a_second_decision_is_refused_and_changes_nothing(api: Api, parked: str) -> None:
    path = f"/approvals/{(await approval_of(api, parked))['id']}"
    first = await api.post(f"{path}/decide", {"decision": "approved"})

    for decision in ("approved", "rejected"):
        again = await api.post(f"{path}/decide", {"decision": decision})
        assert_problem(again, 400, "already_decided")

    assert (await api.get(path)).data == first.data


@pytest.mark.parametrize("body", [{}, {"decision": "maybe"}, {"decision": None}])
async def test_another_word_than_yes_or_no_is_refused(api: Api, parked: str, body: Json) -> None:
    path = f"/approvals/{(await approval_of(api, parked))['id']}"

    reply = await api.post(f"{path}/decide", body)

    assert_problem(reply, 400, "validation_error", "decision")
    assert (await api.get(path)).data["status"] == "pending"


async def test_requests_are_listed_newest_first_and_by_status(
    api: Api, agent: Json, parked: str
) -> None:
    first = await approval_of(api, parked)
    await api.post(f"/approvals/{first['id']}/decide", {"decision": "rejected"})
    other = await started(api, agent["id"])
    await api.post(f"/executions/{other}/approvals", {"checkpoint_name": "pay"})
    second = await approval_of(api, other)

    assert (await api.get("/approvals")).ids == [second["id"], first["id"]]
    assert (await api.get("/approvals", status="pending")).ids == [second["id"]]
    assert (await api.get("/approvals", status="rejected")).ids == [first["id"]]
    assert (await api.get("/approvals", status="expired")).data == []
    assert (await api.get("/approvals", limit=1)).meta["total"] == 2


async def test_an_unknown_status_is_refused_by_name(api: Api) -> None:
    assert_problem(await api.get("/approvals", status="lost"), 400, "invalid_query", "status")


async def test_a_decision_that_names_a_stale_version_is_refused(api: Api, parked: str) -> None:
    path = f"/approvals/{(await approval_of(api, parked))['id']}"
    stale = {"If-Match": '"v2"'}

    reply = await api.call("POST", f"{path}/decide", {"decision": "approved"}, headers=stale)

    assert_problem(reply, 412, "version_mismatch")


async def test_a_decision_sent_twice_with_one_key_is_recorded_once(api: Api, parked: str) -> None:
    path = f"/approvals/{(await approval_of(api, parked))['id']}/decide"
    key = {"Idempotency-Key": "yes"}

    first = await api.call("POST", path, {"decision": "approved"}, headers=key)
    again = await api.call("POST", path, {"decision": "approved"}, headers=key)

    assert again.data == first.data
    events = await api.get(f"/executions/{parked}/events", type="approved")
    assert len(events.data) == 1


async def test_held_back_work_completes_with_the_yes(api: Api, agent: Json) -> None:
    config = {"approval_required": True, "checkpoint_name": "publish"}
    await api.post(f"/agents/{agent['id']}/versions", {"version": "1", "config": config})
    execution = await started(api, agent["id"])
    await api.post(f"/executions/{execution}/complete", {"output": {"text": "Dear Ada"}})
    request = await approval_of(api, execution)

    await api.post(f"/approvals/{request['id']}/decide", {"decision": "approved"})

    assert request["checkpoint_name"] == "publish"
    assert request["payload"] == {"output": {"text": "Dear Ada"}}
    done = (await api.get(f"/executions/{execution}")).data
    assert (done["status"], done["output"]) == ("completed", {"text": "Dear Ada"})
