"""What happens to accounts, as far as whoever verifies access tokens must know it. Travels on a stream of its own."""

import msgspec


class Revocation(msgspec.Struct, tag_field="schema", tag="revocation/1", frozen=True, kw_only=True):
    """Access tokens that count no longer. Repeating it, or hearing of several in any order, comes to the same."""

    user_id: str
    before_version: int = 0
    """Tokens of the account with a smaller version are revoked; 0 revokes none."""
    session_id: str = ""
    """Tokens of this session, whatever their version, are revoked; empty when it is about no single session."""
    at: int
    """When it was decided, µs since 1970-01-01 UTC."""


class RevocationFence(msgspec.Struct, tag_field="schema", tag="revocation_fence/1", frozen=True, kw_only=True):
    """Sent by a reader to itself: once it comes back, everything that was sent before has been read."""

    reader: str
    """A random name that the reader has drawn for this one fence."""


IdentityMessage = Revocation | RevocationFence
