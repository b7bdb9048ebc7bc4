import socket
from contextlib import suppress
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import key_of, registered
from tests.live_server import Caller, Reader, live_server
from tests.quick_settings import quick_settings
from tests.stores import database_in

STEWARD = {"name": "steward", "role": "admin"}


@pytest.fixture
async def steward(api: Api) -> Api:
    return await key_of(api, "admin", "*")


async def test_the_first_key_opens_every_workspace_and_counts_at_once(api: Api) -> None:
    made = (await api.post("/keys", STEWARD)).data

    assert made["workspace_id"] == "*"
    assert_problem(await api.get("/agents"), 401, "unauthorized")
    assert (await api.using(made["secret"]).get("/agents")).status == 200
    assert (await api.using(made["secret"], "elsewhere").get("/agents")).status == 200


@pytest.mark.parametrize(
    "narrower",
    [
        {"name": "first", "role": "reader"},
        {"name": "first", "role": "operator", "workspace": "*"},
        {"name": "first", "role": "admin", "workspace": "default"},
    ],
)
async def test_a_first_key_that_would_lock_its_maker_out_is_refused(
    api: Api, narrower: Json
) -> None:
    reply = await api.post("/keys", narrower)

    details = assert_problem(reply, 400, "locked_out", "the first key must be")
    assert details == {"role": "admin", "workspace": "*"}
    assert (await api.get("/agents")).status == 200


async def test_a_secret_is_shown_once(steward: Api) -> None:
    made = await steward.post("/keys", {"name": "CI", "role": "worker"})

    listed = await steward.get("/keys")

    assert made.status == 201
    assert made.data["id"] in listed.ids
    assert made.data["secret"] not in listed.text.decode()
    assert "digest" not in listed.text.decode()
    assert {name: value for name, value in made.data.items() if name != "secret"} in listed.data


async def test_a_key_is_of_the_callers_workspace_unless_it_says_otherwise(steward: Api) -> None:
    plain = await steward.post("/keys", {"name": "CI", "role": "worker"})
    named = await steward.post("/keys", {"name": "CI", "role": "worker", "workspace": "b"})

    assert plain.data["workspace_id"] == "default"
    assert named.data["workspace_id"] == "b"


async def test_a_revoked_key_opens_nothing_from_that_moment(steward: Api) -> None:
    made = (await steward.post("/keys", {"name": "CI", "role": "worker"})).data
    holder = steward.using(made["secret"])
    assert (await holder.get("/agents")).status == 200

    revoked = await steward.delete(f"/keys/{made['id']}")

    assert (revoked.status, revoked.text) == (204, b"")
    assert_problem(await holder.get("/agents"), 401, "unauthorized", "revoked")
    assert made["id"] not in (await steward.get("/keys")).ids
    assert_problem(await steward.delete(f"/keys/{made['id']}"), 404, "not_found")


async def test_the_last_admin_cannot_revoke_their_own_key(steward: Api) -> None:
    await key_of(steward, "admin", "default")
    own = next(key for key in (await steward.get("/keys")).data if key["workspace_id"] == "*")

    reply = await steward.delete(f"/keys/{own['id']}")

    assert_problem(reply, 400, "locked_out", "make another one first")
    assert (await steward.get("/keys")).status == 200


async def test_an_admin_key_can_be_revoked_once_another_one_does_its_work(steward: Api) -> None:
    old = next(key for key in (await steward.get("/keys")).data if key["workspace_id"] == "*")
    successor = await key_of(steward, "admin", "*")

    assert (await successor.delete(f"/keys/{old['id']}")).status == 204
    assert_problem(await steward.get("/keys"), 401, "unauthorized")
    assert (await successor.get("/keys")).status == 200


async def test_an_admin_of_one_workspace_makes_keys_for_no_other(steward: Api) -> None:
    admin_of_b = await key_of(steward, "admin", "b")

    other = await admin_of_b.post("/keys", {"name": "x", "role": "reader", "workspace": "a"})
    every = await admin_of_b.post("/keys", {"name": "x", "role": "admin", "workspace": "*"})
    own = await admin_of_b.post("/keys", {"name": "x", "role": "reader", "workspace": "b"})

    assert_problem(other, 403, "forbidden", "'b' only")
    assert_problem(every, 403, "forbidden", "'b' only")
    assert own.status == 201


async def test_an_admin_sees_and_revokes_every_key_that_opens_their_workspace_alone(
    steward: Api,
) -> None:
    made = (await steward.post("/keys", {"name": "CI", "role": "reader", "workspace": "b"})).data
    admin_of_b = await key_of(steward, "admin", "b")

    assert made["id"] in (await admin_of_b.get("/keys")).ids
    assert (await admin_of_b.delete(f"/keys/{made['id']}")).status == 204
    assert_problem(await steward.using(made["secret"]).get("/agents"), 401, "unauthorized")


async def test_an_admin_of_one_workspace_revokes_no_key_that_opens_all(steward: Api) -> None:
    admin = await key_of(steward, "admin", "default")
    broad = (await steward.post("/keys", {**STEWARD, "workspace": "*"})).data

    reply = await admin.delete(f"/keys/{broad['id']}")

    assert_problem(reply, 403, "forbidden", "'default' only")


async def test_a_key_of_one_workspace_cannot_choose_another(steward: Api) -> None:
    secret = (await steward.post("/keys", {"name": "b", "role": "admin", "workspace": "b"})).data

    reply = await steward.using(secret["secret"], "a").get("/agents")

    assert_problem(reply, 403, "forbidden", "'b', not 'a'")


async def test_a_key_of_every_workspace_works_in_the_one_that_it_names(api: Api) -> None:
    made = {"name": "steward", "role": "admin", "workspace": "*"}
    secret = (await api.post("/keys", made)).data["secret"]
    await registered(api.using(secret, "a"), "Agent of A")

    in_a = await api.using(secret, "a").get("/agents")
    in_b = await api.using(secret, "b").get("/agents")

    assert [agent["name"] for agent in in_a.data] == ["Agent of A"]
    assert in_b.data == []


async def test_a_key_works_as_a_bearer_token_too(steward: Api) -> None:
    made = (await steward.post("/keys", {"name": "CI", "role": "reader"})).data
    bearer = {"Authorization": f"Bearer {made['secret']}"}

    reply = await steward.using("").call("GET", "/agents", headers=bearer)

    assert reply.status == 200


async def test_a_repeated_request_does_not_show_a_secret_that_opens_nothing(steward: Api) -> None:
    once = {"Idempotency-Key": "make-ci"}
    body = {"name": "CI", "role": "reader"}
    first = await steward.call("POST", "/keys", body, headers=once)

    again = await steward.call("POST", "/keys", body, headers=once)

    assert first.status == 201
    details = assert_problem(again, 400, "secret_shown", "its secret is not kept")
    assert details == {"id": first.data["id"]}


async def test_the_history_names_the_key_that_acted(steward: Api) -> None:
    made = (await steward.post("/keys", {"name": "CI", "role": "admin"})).data
    await registered(steward.using(made["secret"]))

    history = await steward.get("/events", type="registered")

    assert history.data[0]["actor"] == {
        "type": "user",
        "id": made["id"],
        "auth": "api_key",
        "name": "CI",
    }


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "x"}, "role"),
        ({"name": "x", "role": "king"}, "role"),
        ({"name": "", "role": "admin"}, "name"),
        ({"name": "x", "role": "reader", "workspace": "a b"}, "workspace"),
        ({"name": "x", "role": "reader", "digest": "00"}, "digest"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused_by_the_path(
    steward: Api, body: Json, path: str
) -> None:
    details = assert_problem(await steward.post("/keys", body), 400, "validation_error")

    assert [problem["path"] for problem in details["problems"]] == [path]


def test_a_stream_ends_when_its_key_is_revoked(tmp_path: Path) -> None:
    settings = quick_settings(database_in(tmp_path), heartbeat_seconds=0.05)
    with live_server(settings) as caller:
        admin = {"X-API-Key": caller.post("/keys", {**STEWARD, "workspace": "*"})["secret"]}
        key = caller.send("POST", "/keys", {"name": "eve", "role": "reader"}, admin)[1]["data"]
        headers = {"Accept": "text/event-stream", "X-API-Key": key["secret"]}
        feed = Reader(caller, "/events", headers)

        caller.send("DELETE", f"/keys/{key['id']}", None, admin)
        caller.send("POST", "/executions", {"agent": "secret", "input": {}}, admin)

        assert b"secret" not in feed.read()


class SlowReader:
    """Asks, and reads nothing before it is told to; little fits in between."""

    def __init__(self, port: int, path: str, secret: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(30)
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {secret}\r\n\r\n".encode()
        )
        self._text = self._socket.recv(1)

    def rest(self) -> tuple[bytes, bytes]:
        """Head and body, to the end of the connection."""
        with self._socket, suppress(ConnectionResetError):
            while read := self._socket.recv(65_536):
                self._text += read
        head, _, body = self._text.partition(b"\r\n\r\n")
        return head, body


def long_run(caller: Caller, headers: dict[str, str]) -> str:
    """A finished run whose replay is nearly as long as one that is kept in one piece."""
    created = caller.send("POST", "/executions", {"agent": "long", "input": {}}, headers)
    id_: str = created[1]["data"]["id"]
    frames = [{"type": "content", "content": "x" * 1_000}] * 900
    for step, body in (("start", {}), ("frames", frames), ("complete", {})):
        assert caller.send("POST", f"/executions/{id_}/{step}", body, headers)[0] == 200
    return id_


def test_a_replay_of_known_length_ends_short_when_its_key_is_revoked(tmp_path: Path) -> None:
    """What was promised will not come, so that nobody takes a part for the whole."""
    settings = quick_settings(database_in(tmp_path))
    with live_server(settings) as caller:
        admin = {"X-API-Key": caller.post("/keys", {**STEWARD, "workspace": "*"})["secret"]}
        key = caller.send("POST", "/keys", {"name": "eve", "role": "reader"}, admin)[1]["data"]
        path = f"/executions/{long_run(caller, {**admin, 'X-Workspace-ID': 'default'})}/replay"
        with urlopen(
            Request(f"http://127.0.0.1:{caller.port}/api/v1{path}", headers=admin)
        ) as kept:
            whole = kept.read()
        reader = SlowReader(caller.port, f"/api/v1{path}", key["secret"])

        caller.send("DELETE", f"/keys/{key['id']}", None, admin)
        head, body = reader.rest()

    assert f"Content-Length: {len(whole)}".encode() in head
    assert whole.startswith(body)
    assert len(body) < len(whole)
