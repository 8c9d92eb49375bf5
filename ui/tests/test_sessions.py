import pytest

from telltale_ui.sessions import AccessToken, Tickets, User


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_is_good_once() -> None:
    tickets = Tickets()
    ticket = tickets.issue("session")
    assert tickets.redeem(ticket) == "session"
    assert tickets.redeem(ticket) is None
    assert tickets.redeem("made up") is None


def test_a_ticket_ends_after_half_a_minute() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    early, late = tickets.issue("early"), tickets.issue("late")
    clock.now += 29.9
    assert tickets.redeem(early) == "early"
    clock.now += 0.1
    assert tickets.redeem(late) is None


@pytest.mark.parametrize(
    ("role", "allowed"), [("VIEWER", ["VIEWER"]), ("USER", ["VIEWER", "USER"]), ("ADMIN", ["VIEWER", "USER", "ADMIN"])]
)
def test_a_role_includes_the_ones_below(role: str, allowed: list[str]) -> None:
    user = User("1", "a@example.com", "A", role)
    assert [one for one in ("VIEWER", "USER", "ADMIN") if user.may(one)] == allowed


def test_a_token_is_renewed_before_it_ends() -> None:
    token = AccessToken("t", expires_at=300.0, user=User("1", "a@example.com", "A", "USER"))
    assert token.is_fresh(200.0)
    assert not token.is_fresh(260.0)
