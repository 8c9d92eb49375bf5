"""What the note of a record may be: the same by hand and from a file, so that every note survives export and import."""

from typing import Annotated

from pydantic import AfterValidator, Field

NOTE_MAX = 500
"""Characters."""


def note_problem(note: str) -> str | None:
    """Why ``note`` cannot be one, or None."""
    if len(note) > NOTE_MAX:
        return f"has {len(note):,} characters: a note has at most {NOTE_MAX}"
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in note):
        return "holds characters that cannot be stored"
    return None


def _checked(note: str | None) -> str | None:
    problem = note_problem(note or "")
    if problem is not None:
        raise ValueError(problem)
    # A file cannot tell an empty note from none.
    return note or None


Note = Annotated[str | None, Field(max_length=NOTE_MAX), AfterValidator(_checked)]
"""A note in a request; one without text is none."""
