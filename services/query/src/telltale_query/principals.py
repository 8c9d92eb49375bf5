"""Who acts, as the audit trail names them."""

from fastapi import Request

from telltale_shared.errors import request_id_of
from telltale_shared.security import Principal
from telltale_shared.store.audit import Actor


def actor_of(principal: Principal, request: Request) -> Actor:
    """The principal of a request that changes something."""
    return Actor(principal.user_id, principal.name or f"user {principal.user_id}", request_id_of(request) or None)
