"""What a REST interface answers while its database is away, slow or in trouble: 503, and when to try again."""

import structlog
from fastapi import FastAPI, Request, Response

from telltale_shared.database import DATABASE_ERRORS, STATEMENT_TIMEOUT, error_number, is_transient
from telltale_shared.errors import Unavailable, problem_response

log = structlog.get_logger("telltale.database")

RETRY_AFTER_SECONDS = 3


def answer_database_failures(app: FastAPI) -> None:
    """Have ``app`` answer 503 where the database fails a request; a fault of the statement itself stays a 500."""
    for failure in DATABASE_ERRORS:
        app.add_exception_handler(failure, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    number = error_number(error)
    if number == STATEMENT_TIMEOUT:
        log.warning("statement took too long", path=request.url.path, query=request.url.query)
        detail = "the database needed too long for this: choose a shorter range or fewer series"
    elif number is not None and not is_transient(error):
        # A fault of ours, which trying again would not mend.
        raise error
    else:
        log.error("database failed", path=request.url.path, error_number=number, error=str(error)[:500])
        detail = "the database does not answer right now: try again in a moment"
    return problem_response(request, Unavailable(detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}))
