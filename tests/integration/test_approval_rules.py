"""Over HTTP: who may decide, on what exactly, what an edit does, and what follows a no."""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from server.app import build_app
from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import key_of, registered, serving, settings_in, started

DIGEST_OF_NOTHING = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
EVERYWHERE = ("decide", "approve", "deny")


class People(NamedTuple):
    """Callers with keys of their own in one workspace."""

    admin: Api
    operator: Api
    worker: Api


@pytest.fixture
async def people(api: Api) -> People:
    admin = await key_of(api, "admin", "*", "Ada")
    operator = await key_of(admin, "operator", "default", "Olga")
    return People(admin, operator, await key_of(admin, "worker", "default", "robot"))


async def asked(api: Api, **facts: Any) -> Json:
    """A request for approval of a new run, as it is shown."""
    execution = (await api.post("/executions", {"agent": "Scribe", "input": {}})).data["id"]
    await api.post(f"/executions/{execution}/start")
    return await asked_of(api, execution, **facts)


async def asked_of(api: Api, execution: str, **facts: Any) -> Json:
    body = {"checkpoint_name": "pay", "payload": {"pay": "120.00"}, **facts}
    assert (await api.post(f"/executions/{execution}/approvals", body)).status == 201
    shown: Json = (await api.get(f"/executions/{execution}/pending-approval")).data
    return shown


async def decide(api: Api, request: Json, where: str = "decide", **body: Any) -> Any:
    """A yes or a no by one of the three ways there are."""
    if where == "decide":
        path = f"/approvals/{request['id']}/decide"
        return await api.post(path, {"decision": "approved", **body})
    return await api.post(f"/executions/{request['execution_id']}/{where}", body)


async def status_of(api: Api, request: Json) -> str:
    status: str = (await api.get(f"/executions/{request['execution_id']}")).data["status"]
    return status


async def supersede(api: Api, request: Json, **body: Any) -> Any:
    return await api.post(f"/approvals/{request['id']}/supersede", body)


# What a request and a decision are kept with


async def test_a_request_shows_who_asked_and_what_it_asks_of_who_decides(people: People) -> None:
    rules = {"required_role": "admin", "not_requester": True, "on_reject": "resume"}

    request = await asked(people.operator, **rules)

    assert {name: request[name] for name in rules} == rules
    assert request["requested_by_name"] == "Olga"
    listed = (await people.admin.get("/approvals", status="pending")).data
    assert listed == [request]


async def test_a_decision_shows_who_how_in_which_role_and_on_what(people: People) -> None:
    request = await asked(people.worker)

    decided = (await decide(people.operator, request, reason="fine")).data

    assert decided["decided_by_name"] == "Olga"
    assert (decided["decided_auth"], decided["decided_role"]) == ("api_key", "operator")
    assert decided["decided_digest"] == request["payload_digest"]
    path = f"/executions/{request['execution_id']}/events"
    fact = (await people.admin.get(path, type="approved")).data[0]
    assert fact["actor"]["id"] == decided["decided_by"]
    assert fact["data"]["payload_digest"] == request["payload_digest"]


@pytest.mark.parametrize("where", EVERYWHERE)
async def test_a_decision_that_quotes_another_digest_is_refused(api: Api, where: str) -> None:
    request = await asked(api)

    refused = await decide(api, request, where, payload_digest=DIGEST_OF_NOTHING)

    details = assert_problem(refused, 400, "digest_mismatch")
    assert details["payload_digest"] == request["payload_digest"]
    assert await status_of(api, request) == "awaiting_approval"


@pytest.mark.parametrize("where", EVERYWHERE)
async def test_a_decision_that_quotes_what_was_shown_is_taken(api: Api, where: str) -> None:
    request = await asked(api)

    taken = await decide(api, request, where, payload_digest=request["payload_digest"])

    assert taken.status == 200
    assert await status_of(api, request) in {"approved", "rejected"}


async def test_a_newer_client_may_say_more_with_a_decision(api: Api) -> None:
    request = await asked(api)

    assert (await decide(api, request, comment="?", payload_digest=None)).status == 200


# Who may decide


@pytest.mark.parametrize("where", EVERYWHERE)
async def test_a_decision_in_too_low_a_role_is_forbidden_and_names_the_role(
    people: People, where: str
) -> None:
    request = await asked(people.worker, required_role="admin")

    refused = await decide(people.operator, request, where)

    details = assert_problem(refused, 403, "forbidden", "admin")
    assert details["required_role"] == "admin"
    assert await status_of(people.admin, request) == "awaiting_approval"


async def test_a_decision_in_the_role_asked_for_is_taken(people: People) -> None:
    request = await asked(people.worker, required_role="admin")

    assert (await decide(people.admin, request)).data["decided_role"] == "admin"


@pytest.mark.parametrize("where", EVERYWHERE)
async def test_who_asked_for_the_run_does_not_decide_where_four_eyes_are_asked_for(
    people: People, where: str
) -> None:
    agent = await registered(people.admin)
    execution = await started(people.operator, agent["id"])
    request = await asked_of(people.worker, execution, not_requester=True)

    assert_problem(await decide(people.operator, request, where), 400, "same_person")

    assert (await decide(people.admin, request, where)).status == 200


async def test_an_unknown_rule_is_refused_by_its_name(api: Api, running: str) -> None:
    path = f"/executions/{running}/approvals"

    for rule in ({"required_role": "reader"}, {"on_reject": "retry"}, {"quorum": 2}):
        refused = await api.post(path, {"checkpoint_name": "pay", **rule})
        assert_problem(refused, 400, "validation_error", *rule)


async def test_work_held_back_is_decided_as_the_versions_policy_says(people: People) -> None:
    agent = await registered(people.admin)
    policy = {"required_role": "admin", "expires_in_s": 3600, "theirs": ["kept"]}
    version = {"version": "1", "config": {"approval_required": True}, "approval_policy": policy}
    made = await people.admin.post(f"/agents/{agent['id']}/versions", version)
    execution = await started(people.worker, agent["id"])
    await people.worker.post(f"/executions/{execution}/complete", {"output": {"text": "Dear"}})

    request = (await people.admin.get(f"/executions/{execution}/pending-approval")).data

    assert made.data["approval_policy"] == policy
    assert (request["required_role"], request["held_back"]) == ("admin", True)
    assert request["expires_at"] is not None
    assert_problem(await decide(people.operator, request), 403, "forbidden")


async def test_a_version_with_a_policy_that_means_nothing_is_refused(api: Api, agent: Json) -> None:
    policy = {"not_requester": "please"}
    version = {"version": "1", "config": {"approval_required": True}, "approval_policy": policy}

    refused = await api.post(f"/agents/{agent['id']}/versions", version)

    details = assert_problem(refused, 400, "invalid_policy")
    assert details["path"] == "approval_policy.not_requester"


# Editing


async def test_an_edit_is_a_new_request_in_the_place_of_the_old_one(people: People) -> None:
    old = await asked(people.worker, required_role="operator", not_requester=True)

    edited = await supersede(people.admin, old, payload={"pay": "12.00"}, reason="a comma")

    assert edited.status == 201
    new = edited.data
    assert (new["supersedes"], new["status"], new["payload"]) == (
        old["id"],
        "pending",
        {"pay": "12.00"},
    )
    kept = ("checkpoint_name", "required_role", "not_requester", "expires_at", "execution_id")
    assert [new[name] for name in kept] == [old[name] for name in kept]
    assert new["payload_digest"] != old["payload_digest"]
    replaced = (await people.admin.get(f"/approvals/{old['id']}")).data
    assert (replaced["status"], replaced["superseded_by"]) == ("superseded", new["id"])
    assert (await people.admin.get("/approvals", status="superseded")).ids == [old["id"]]


async def test_the_run_goes_on_waiting_for_the_edited_request(api: Api) -> None:
    old = await asked(api)
    new = (await supersede(api, old, payload={"pay": "12.00"})).data

    execution = (await api.get(f"/executions/{old['execution_id']}")).data
    assert (execution["status"], execution["approval_id"]) == ("awaiting_approval", new["id"])
    inbox = await api.get("/executions/approval-inbox")
    assert [item["approval_id"] for item in inbox.data] == [new["id"]]
    path = f"/executions/{old['execution_id']}/pending-approval"
    assert (await api.get(path)).data == new


@pytest.mark.parametrize("where", ["approve", "deny"])
async def test_every_face_of_an_approval_shows_the_same(api: Api, where: str) -> None:
    request = await asked(api, required_role="operator")

    inbox = (await api.get("/executions/approval-inbox")).data
    decided = (await decide(api, request, where, reason="so it is")).data

    assert [item["approval"] for item in inbox] == [request]
    assert decided["approval"]["decided_digest"] == request["payload_digest"]
    assert (await api.get(f"/approvals/{request['id']}")).data == decided["approval"]
    assert (await api.get("/approvals")).data == [decided["approval"]]


async def test_nobody_decides_on_what_was_edited(api: Api) -> None:
    old = await asked(api)
    new = (await supersede(api, old, payload={"pay": "12.00"})).data

    refusal = assert_problem(await decide(api, old), 400, "already_decided", f"{new['id']!r} now")
    assert refusal["awaited"] == new["id"]
    assert_problem(await supersede(api, old, payload={}), 400, "already_decided")
    stale = {"payload_digest": old["payload_digest"]}
    assert_problem(await decide(api, new, "approve", **stale), 400, "digest_mismatch")
    assert (await decide(api, new)).data["status"] == "approved"


async def test_what_was_decided_cannot_be_edited(api: Api) -> None:
    request = await asked(api)
    await decide(api, request)

    assert_problem(await supersede(api, request, payload={}), 400, "already_decided")


async def test_who_may_not_decide_may_not_edit(people: People) -> None:
    request = await asked(people.worker)

    assert_problem(await supersede(people.worker, request, payload={}), 403, "forbidden")


async def test_an_edit_sent_twice_with_one_key_is_recorded_once(api: Api) -> None:
    path = f"/approvals/{(await asked(api))['id']}/supersede"
    key = {"Idempotency-Key": "edit"}

    first = await api.call("POST", path, {"payload": {"pay": "1"}}, headers=key)
    again = await api.call("POST", path, {"payload": {"pay": "1"}}, headers=key)

    assert again.data == first.data


async def test_edited_work_is_what_the_run_completes_with(api: Api, agent: Json) -> None:
    version = {"version": "1", "config": {"approval_required": True}}
    await api.post(f"/agents/{agent['id']}/versions", version)
    execution = await started(api, agent["id"])
    await api.post(f"/executions/{execution}/complete", {"output": {"text": "Deer Ada"}})
    old = (await api.get(f"/executions/{execution}/pending-approval")).data

    assert_problem(await supersede(api, old, payload={"text": "Dear Ada"}), 400, "invalid_payload")
    await supersede(api, old, payload={"output": {"text": "Dear Ada"}})
    done = (await api.post(f"/executions/{execution}/approve")).data

    assert (done["status"], done["output"]) == ("completed", {"text": "Dear Ada"})


async def test_an_edit_is_streamed_as_a_request_like_the_first(api: Api) -> None:
    old = await asked(api, required_role="admin")
    new = (await supersede(api, old, payload={"pay": "12.00"}, reason="a comma")).data
    await api.post(f"/executions/{old['execution_id']}/deny")

    text = (await api.get(f"/executions/{old['execution_id']}/replay")).text.decode()

    first, second = [f for f in text.split("\n\n") if f.startswith("event: approval")]
    frames = [api_frame(frame) for frame in (first, second)]
    assert set(frames[1]) - set(frames[0]) == {"supersedes", "requested_by", "reason"}
    assert frames[1]["id"] == new["id"]
    shown = ("payload", "payload_digest", "required_role", "checkpoint_name", "created_at")
    assert [frames[1][name] for name in shown] == [new[name] for name in shown]


def api_frame(frame: str) -> Json:
    data: Json = orjson.loads(frame.split("\ndata: ", 1)[1])
    return data


# After a no


async def test_a_no_that_ends_nothing_lets_the_recorder_go_on(api: Api) -> None:
    request = await asked(api, on_reject="resume")
    id_ = request["execution_id"]

    denied = (await api.post(f"/executions/{id_}/deny", {"reason": "too much"})).data
    went_on = await api.post(f"/executions/{id_}/complete", {"output": {"paid": False}})

    shown = (await api.get(f"/approvals/{request['id']}")).data
    assert (denied["status"], denied["approval_id"]) == ("running", None)
    assert (shown["status"], shown["reason"]) == ("rejected", "too much")
    assert went_on.status == 200
    assert_problem(await decide(api, request), 400, "already_decided")


async def test_a_no_that_ends_nothing_is_streamed_as_a_change_of_status(api: Api) -> None:
    request = await asked(api, on_reject="resume")
    await decide(api, request, decision="rejected", reason="too much")
    await api.post(f"/executions/{request['execution_id']}/fail", {"error": "enough"})

    text = (await api.get(f"/executions/{request['execution_id']}/replay")).text.decode()

    last = api_frame([f for f in text.split("\n\n") if f.startswith("event: status")][-1])
    assert (last["status"], last["previous"]) == ("running", "awaiting_approval")
    assert (last["approval_id"], last["reason"]) == (request["id"], "too much")
    assert last["actor"]["type"] == "user"


async def expired(api: Api) -> Json:
    """The request that expired, once the server has come to it."""
    for _ in range(400):
        found = await api.get("/approvals", status="expired")
        if found.data:
            request: Json = found.data[0]
            return request
        await asyncio.sleep(0.05)
    pytest.fail("nothing expired")


async def test_an_expiry_that_ends_nothing_is_carried_out_after_a_restart(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with serving(build_app(settings, worker=False)) as api:
        agent = await registered(api)
        policy = {"on_reject": "resume", "expires_in_s": 0.2}
        version = {"version": "1", "config": {"approval_required": True}}
        await api.post(f"/agents/{agent['id']}/versions", {**version, "approval_policy": policy})
        execution = await started(api, agent["id"])
        await api.post(f"/executions/{execution}/complete", {"output": {}})

    await asyncio.sleep(0.3)  # real time has to pass; no request can arrive meanwhile
    async with serving(build_app(settings, worker=False)) as api:
        request = await expired(api)
        event = (await api.get(f"/executions/{execution}/events", type="denied")).data[0]

    assert (event["actor"]["type"], event["data"]["status"]) == ("system", "running")
    assert (request["reason"], request["decided_by"]) == ("nobody decided in time", None)
