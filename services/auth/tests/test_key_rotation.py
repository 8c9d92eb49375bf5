"""The signing key is changed without signing anybody out."""

import httpx
import jwt
import pytest
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError

from telltale_auth.app import create_app
from telltale_auth.settings import Settings
from telltale_shared.security import InvalidToken, TokenVerifier, tokens

from .conftest import SEED, Api

pytestmark = pytest.mark.anyio

NEXT = SEED[::-1]


def with_keys(settings: Settings, seed: str, others: str = "") -> FastAPI:
    return create_app(
        settings.model_copy(update={"signing_seed": SecretStr(seed), "other_signing_seeds": SecretStr(others)})
    )


async def test_tokens_stay_good_from_step_to_step(
    api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "KEYS_MIN_AGE", 0.0)
    answering = api.app

    async def ask(scope: object, receive: object, send: object) -> None:
        await answering(scope, receive, send)  # type: ignore[arg-type]  # as the server calls it

    async with httpx.AsyncClient(transport=httpx.ASGITransport(ask), base_url="http://auth") as http:
        service = TokenVerifier("http://auth", http=http)
        turns: list[str] = []
        session = await api.session("viewer@example.com")
        for seed, others in ((SEED, ""), (SEED, NEXT), (NEXT, f"{SEED}, "), (NEXT, "")):
            answering = with_keys(settings, seed, others)
            async with answering.router.lifespan_context(answering):
                token = (await http.post("/api/v1/auth/sessions/token", headers=session)).json()["access_token"]
                await service.verify(token)
                for earlier in turns[-1:]:
                    me = await http.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {earlier}"})
                    assert me.status_code == 200
                turns.append(token)
        assert len({jwt.get_unverified_header(token)["kid"] for token in turns}) == 2
        monkeypatch.setattr(tokens, "KEYS_MAX_AGE", 0.0)
        async with answering.router.lifespan_context(answering):
            with pytest.raises(InvalidToken):
                await TokenVerifier("http://auth", http=http).verify(turns[0])


@pytest.mark.parametrize("seeds", ["x", f"{SEED},x", "0" * 64])
def test_further_keys_are_checked_like_the_first(settings: Settings, seeds: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({**settings.model_dump(), "other_signing_seeds": seeds})
