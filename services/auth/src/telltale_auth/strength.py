"""Whether a password is one of those that are guessed first: common ones, their variants, and what the account says."""

from zxcvbn import zxcvbn

LEAST_SCORE = 2
"""Of zxcvbn's 0 to 4: a million guesses. Its lists hold the 30,000 most common passwords, names, words and key rows."""
JUDGED = 40
"""Characters that are looked at: judging takes time that grows faster than the length."""


def weakness(password: str, *, about: list[str]) -> str | None:
    """What makes ``password`` easy to guess, in plain words, or None.

    Args:
        password: as it was chosen.
        about: what an attacker knows of the account, such as name and e-mail address.
    """
    judged = zxcvbn(password[:JUDGED], user_inputs=["telltale", *about])
    if judged["score"] >= LEAST_SCORE:
        return None
    feedback = judged["feedback"]
    return " ".join([feedback["warning"] or "This is easy to guess.", *feedback["suggestions"][:1]])
