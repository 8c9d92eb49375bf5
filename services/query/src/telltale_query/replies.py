"""Answers as bytes: encoded once, without the round trip through a response model that costs several times as much."""

from collections.abc import Mapping

import msgspec
from fastapi import Response

_encoder = msgspec.json.Encoder()


def reply(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``body`` (dataclasses, lists, dicts …) as a JSON response."""
    return Response(_encoder.encode(body), status, dict(headers or {}), media_type="application/json")
