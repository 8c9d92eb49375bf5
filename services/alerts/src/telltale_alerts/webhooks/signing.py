"""How a receiver knows that a message is ours and not an old one sent again."""

import hashlib
import hmac
import secrets

SIGNATURE_HEADER = "X-Telltale-Signature"
DELIVERY_HEADER = "X-Telltale-Delivery"


def new_secret() -> str:
    """A secret that a receiver shares with us."""
    return f"whsec_{secrets.token_urlsafe(32)}"


def signature(secret: str, body: bytes, at: int) -> str:
    """The header's value: the time of sending (s since 1970-01-01 UTC), and HMAC-SHA256 over time, dot and body."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
