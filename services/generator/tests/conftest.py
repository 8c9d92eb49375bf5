"""A virtual host with small queues, what arrives in it, and a generator over it."""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from telltale_shared.broker import BrokerAddress, Link, Subscription, consume
from telltale_shared.contracts import ReadingBatch, decode
from telltale_shared.security import ALGORITHM, AUDIENCE, ISSUER, TokenVerifier
from telltale_shared.testing import Access
from telltale_shared.topology import readings_queue, topology


@pytest.fixture
def vhost(new_broker: Callable[[], Access]) -> Access:
    """A virtual host that no other test uses."""
    return new_broker()


@dataclass
class Store:
    """What a writer would have got: every delivery of the store queue, in the order of its arrival."""

    access: Access
    batches: list[ReadingBatch] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def take(self) -> None:
        """Consume until cancelled, over a link of its own."""
        address = BrokerAddress(self.access.url, self.access.password)
        await self.take_with(Link(address, topology(), name="store"))

    async def take_with(self, link: Link) -> None:
        """Consume until cancelled."""
        await consume(link, readings_queue(0), self._handle, prefetch=10)

    async def _handle(self, subscription: Subscription) -> None:
        while True:
            delivery = await subscription.get()
            batch = decode(delivery.body)
            assert isinstance(batch, ReadingBatch)
            assert (delivery.headers["producer"], delivery.headers["first"], delivery.headers["count"]) == (
                batch.producer,
                batch.first,
                batch.count,
            )
            self.batches.append(batch)
            self.bodies.append(delivery.body)
            await subscription.acknowledge_through(delivery.tag)

    def of(self, producer: str) -> list[ReadingBatch]:
        """What arrived of one producer."""
        return [one for one in self.batches if one.producer == producer]

    def bodies_of(self, producer: str) -> list[bytes]:
        """The same as bytes."""
        return [body for batch, body in zip(self.batches, self.bodies, strict=True) if batch.producer == producer]

    def numbers(self, producer: str) -> list[int]:
        """Every number of a producer that arrived at least once, in order."""
        return sorted({n for one in self.of(producer) for n in range(one.first, one.last + 1)})

    def producers(self) -> set[str]:
        """Everyone of whom something arrived."""
        return {one.producer for one in self.batches}


class Tokens:
    """Signs tokens, and verifies them as if auth had published the key."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        public = json.loads(OKPAlgorithm.to_jwk(self._key.public_key()))
        jwks = {"keys": [{**public, "kid": "test", "alg": ALGORITHM, "use": "sig"}]}
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=jwks))
        self.verifier = TokenVerifier("http://auth", http=httpx.AsyncClient(transport=transport))

    def headers(self, role: str) -> dict[str, str]:
        """Request headers of someone with this role."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "1",
            "jti": secrets.token_hex(8),
            "typ": "access",
            "role": role,
            "ver": 1,
            "name": role,
            "iat": now,
            "exp": now + 300,
        }
        return {"Authorization": f"Bearer {jwt.encode(claims, self._key, ALGORITHM, headers={'kid': 'test'})}"}


@pytest.fixture
def tokens() -> Tokens:
    """Someone who signs tokens."""
    return Tokens()
