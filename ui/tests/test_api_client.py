import httpx
import pytest

from telltale_ui.api_client import ApiClient, ApiError, SignedInApi


def _elsewhere(http: httpx.Client | None = None, *, at: str = "http://somewhere") -> ApiClient:
    """A client of services that are all at one address."""
    return ApiClient(auth_url=at, query_url=at, generator_url=at, alerts_url=at, http=http)


def _signed_in(client: ApiClient) -> SignedInApi:
    session = client.start_session("user@example.com", "Password123!")
    return client.signed_in(lambda renew: client.access_token(session["session_id"]).value)


def test_a_session_gives_access_tokens_until_it_ends(client: ApiClient) -> None:
    session_id = client.start_session("user@example.com", "Password123!")["session_id"]
    token = client.access_token(session_id)
    assert token.user.email == "user@example.com"
    assert client.stream_token(token.value)["expires_in"] == 30
    client.end_session(session_id)
    with pytest.raises(ApiError) as caught:
        client.access_token(session_id)
    assert caught.value.status == 401
    assert caught.value.request_id


def test_a_wrong_password_is_refused_in_the_services_words(client: ApiClient) -> None:
    with pytest.raises(ApiError, match="address or password") as caught:
        client.start_session("user@example.com", "wrong")
    assert caught.value.status == 401


def test_a_service_that_is_down_is_an_error_without_status() -> None:
    client = _elsewhere(at="http://127.0.0.1:1")
    with pytest.raises(ApiError, match="starting") as caught:
        client.start_session("user@example.com", "Password123!")
    assert caught.value.status == 0
    assert not client.is_up("http://127.0.0.1:1")


def test_an_error_that_is_no_problem_document_still_reads_well() -> None:
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(502, text="<html>")))
    client = _elsewhere(http)
    with pytest.raises(ApiError) as caught:
        client.start_session("a", "b")
    assert (caught.value.title, caught.value.status) == ("Bad Gateway", 502)


def test_records_are_paged_by_the_server(client: ApiClient) -> None:
    api = _signed_in(client)
    first = api.records({"source": ["press-3"], "limit": 10, "cursor": None, "min_value": None})
    second = api.records({"source": ["press-3"], "limit": 10, "cursor": first.next_cursor})
    assert len(first.items) == 10
    assert {one["source"] for one in first.items} == {"press-3"}
    assert first.items[-1]["observed_at"] > second.items[0]["observed_at"]


def test_a_change_made_meanwhile_is_noticed(client: ApiClient) -> None:
    api = _signed_in(client)
    record_id = api.records({"limit": 1}).items[0]["id"]
    record, etag = api.record(record_id)
    api.edit_record(record["id"], {"value": 1.0}, etag)
    with pytest.raises(ApiError, match="changed this record") as caught:
        api.delete_record(record["id"], etag)
    assert caught.value.status == 412


def test_a_refused_token_is_renewed_once() -> None:
    asked: list[bool] = []

    def answer(request: httpx.Request) -> httpx.Response:
        fresh = request.headers["authorization"] == "Bearer new"
        return httpx.Response(200, json={"items": []}) if fresh else httpx.Response(403, json={"title": "Not allowed"})

    def token(renew: bool) -> str:
        asked.append(renew)
        return "new" if renew else "old"

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = _elsewhere(http)
    assert client.signed_in(token).logs({}).items == []
    assert asked == [False, True]
