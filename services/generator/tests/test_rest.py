"""The REST interface over a real broker, as its users call it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from services.generator.tests.conftest import Tokens

from telltale_generator import endpoints
from telltale_generator.app import create_app
from telltale_generator.settings import Settings, SourceName
from telltale_shared.testing import Access, eventually
from telltale_shared.testing_proxy import TcpProxy

pytestmark = pytest.mark.anyio

SAMPLE = Path(__file__).resolve().parents[3] / "sample_data" / "records_sample.csv"
READING = {"source": "mine", "category": "t", "observed_at": "2026-11-18T12:00:00+01:00", "value": 1.5}


@pytest.fixture
async def proxy(broker: Access) -> AsyncIterator[TcpProxy]:
    async with TcpProxy.before(broker.url) as proxy:
        yield proxy


@pytest.fixture
async def client(broker: Access, proxy: TcpProxy, tmp_path: Path, tokens: Tokens) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running generator, logged in as USER."""
    settings = Settings(
        amqp_url=proxy.url(broker.url),
        amqp_password=broker.password,
        spool_dir=tmp_path,
        replay_file=SAMPLE,
        source=SourceName.SYNTHETIC,
    )
    app = create_app(settings)
    app.state.verifier = tokens.verifier
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://generator/api/v1",
                headers=tokens.headers("USER"),
            )
        )


async def test_it_says_what_it_does(client: httpx.AsyncClient) -> None:
    async def confirmed() -> bool:
        return bool((await client.get("/generator")).json()["confirmed"])

    await eventually(confirmed)
    state = (await client.get("/generator")).json()
    assert state["source"] == "synthetic"
    assert len(state["series"]) == 8
    assert state["series"][0] == {"source": "press-1", "category": "temperature", "unit": "°C"}
    assert state["producer"].startswith("generator-")
    assert (state["rate"], state["paused"], state["finished"], state["dropped"]) == (1.0, False, False, 0)

    async def all_is_well() -> bool:
        ready = await client.get("http://generator/health/ready")
        return bool(
            ready.json() == {"status": "ok", "dependencies": dict.fromkeys(("broker", "spool", "revocations"), "ok")}
        )

    await eventually(all_is_well)


async def test_it_counts_for_prometheus(client: httpx.AsyncClient) -> None:
    text = (await client.get("http://generator/metrics")).text
    assert "telltale_generator_readings_published_total" in text
    assert "telltale_generator_spool_bytes" in text


async def test_it_is_paused_and_goes_on(client: httpx.AsyncClient) -> None:
    assert (await client.patch("/generator", json={"rate": 50})).json()["rate"] == 50
    published = (await client.patch("/generator", json={"paused": True})).json()["published"]
    assert (await client.post("/generator/anomalies", json={"kind": "spike"})).status_code == 409
    assert (await client.get("/generator")).json()["published"] <= published + 400
    await client.patch("/generator", json={"paused": False})

    async def moved() -> bool:
        return bool((await client.get("/generator")).json()["published"] > published + 400)

    await eventually(moved)


async def test_its_source_is_changed_while_it_runs(client: httpx.AsyncClient) -> None:
    state = (await client.patch("/generator", json={"source": "replay", "speed": 2})).json()
    assert state["replay"] == {"speed": 2.0, "position": 0, "rows": 3_072}
    assert len(state["series"]) == 8
    refused = await client.post("/generator/anomalies", json={"kind": "spike"})
    assert refused.status_code == 409
    assert "replay" in refused.json()["detail"]
    state = (await client.patch("/generator", json={"source": "host"})).json()
    assert "cpu" in {one["category"] for one in state["series"]}
    assert (await client.patch("/generator", json={"speed": 2})).status_code == 409
    refused = await client.patch("/generator", json={"source": "none", "speed": 2, "rate": 7, "paused": True})
    assert refused.status_code == 409
    state = (await client.get("/generator")).json()
    assert (state["source"], state["rate"], state["paused"]) == ("host", 1.0, False)
    state = (await client.patch("/generator", json={"source": "none"})).json()
    assert state["series"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"rate": 0},
        {"rate": 5e-324},
        {"speed": 5e-324},
        {"rate": 1e9},
        {"source": "x"},
        {"paused": "perhaps"},
        {"unknown": 1},
        {"speed": -1},
    ],
)
async def test_a_bad_change_names_its_field(client: httpx.AsyncClient, change: dict[str, object]) -> None:
    refused = await client.patch("/generator", json=change)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == next(iter(change))


async def test_an_anomaly_is_injected(client: httpx.AsyncClient) -> None:
    made = await client.post(
        "/generator/anomalies", json={"source": "pump-1", "category": "pressure", "kind": "flatline"}
    )
    assert made.status_code == 201
    assert made.json() | {"start": "", "end": ""} == {
        "source": "pump-1", "category": "pressure", "kind": "flatline", "start": "", "end": "",
    }  # fmt: skip
    assert made.json()["start"].endswith("Z")
    assert (await client.post("/generator/anomalies", json={})).json()["kind"] == "spike"

    async def told() -> bool:
        return made.json() in (await client.get("/generator")).json()["anomalies"]

    await eventually(told)
    refused = await client.post("/generator/anomalies", json={"source": "elsewhere"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "source"
    assert "press-1/temperature" in refused.json()["errors"][0]["message"]


async def test_posted_readings_are_confirmed(client: httpx.AsyncClient) -> None:
    await client.patch("/generator", json={"source": "none"})
    made = await client.post("/readings", json=[READING, {**READING, "category": "u", "unit": "°C"}])
    assert made.status_code == 201
    numbers = made.json()
    assert numbers["count"] == 2
    assert numbers["last"] == numbers["first"] + 1
    assert (await client.get("/generator")).json()["confirmed"] >= numbers["last"]
    made = await client.post(
        "/readings", content=SAMPLE.read_bytes(), headers={"content-type": "text/csv; charset=utf-8"}
    )
    assert made.json() | {"first": 0, "last": 0} == {**numbers, "first": 0, "last": 0, "count": 3_072}


async def test_bad_readings_are_refused_with_row_and_field(client: httpx.AsyncClient) -> None:
    before = (await client.patch("/generator", json={"source": "none"})).json()["published"]
    refused = await client.post("/readings", json=[READING, {**READING, "value": "high"}, {**READING, "source": ""}])
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert [one["field"] for one in refused.json()["errors"]] == ["1.value", "2.source"]
    assert (await client.post("/readings", content=b"x")).status_code == 415
    huge = await client.post("/readings", content=b" " * 5_000_000, headers={"content-type": "text/csv"})
    assert (huge.status_code, huge.headers["content-type"]) == (413, "application/problem+json")
    deep = await client.post("/readings", content=b"[" * 100_000, headers={"content-type": "application/json"})
    assert (deep.status_code, deep.json()["errors"][0]["field"]) == (422, "body.json")
    assert (await client.get("/generator")).json()["published"] <= before + 8


async def test_a_viewer_looks_and_changes_nothing(client: httpx.AsyncClient, tokens: Tokens) -> None:
    viewer = tokens.headers("VIEWER")
    assert (await client.get("/generator", headers=viewer)).status_code == 200
    for method, path in (("PATCH", "/generator"), ("POST", "/generator/anomalies"), ("POST", "/readings")):
        assert (await client.request(method, path, json={}, headers=viewer)).status_code == 403
    for method, path in (("GET", "/generator"), ("POST", "/readings")):
        assert (await client.request(method, path, headers={"Authorization": ""})).status_code == 401


async def test_without_the_broker_posted_readings_stay_spooled(
    client: httpx.AsyncClient, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "CONFIRM_SECONDS", 0.2)
    await client.patch("/generator", json={"source": "none"})
    await client.post("/readings", json=[READING])
    await proxy.cut()
    refused = await client.post("/readings", json=[{**READING, "value": 2}])
    assert refused.status_code == 503
    assert "stay spooled and will be delivered" in refused.json()["detail"]
    assert (await client.get("http://generator/health/ready")).status_code == 503
    await proxy.mend()

    async def delivered() -> bool:
        state = (await client.get("/generator")).json()
        return bool(state["confirmed"] == state["published"] and state["spool"]["deliveries"] == 0)

    await eventually(delivered, 15)


async def test_its_description_names_every_body(client: httpx.AsyncClient) -> None:
    description = (await client.get("http://generator/openapi.json")).json()
    body = description["paths"]["/api/v1/readings"]["post"]["requestBody"]["content"]
    assert body["application/json"]["schema"]["items"]["required"] == ["source", "category", "observed_at", "value"]
    assert "text/csv" in body
