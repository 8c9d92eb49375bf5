"""Parameters that several lists here have."""

from typing import Annotated

from fastapi import Path, Query

UserId = Annotated[int, Path(ge=1, lt=2**32, description="`id` of the account.")]
Search = Annotated[str, Query(alias="q", max_length=200, description="Text to look for; any case.")]
