"""Errors as pages: what went wrong, whether anything was lost, what to do. Never a stack trace."""

from collections.abc import Callable, Coroutine
from traceback import format_exception
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from api.pages.cookies import answer_with
from api.pages.rendering import page
from api.problems import Problem, problem_of

log = structlog.get_logger()

WHAT_TO_DO = {
    401: (
        "Ask for a sign-in link: it is mailed to the address of your charging account. Staff open the link they were "
        "given; whoever runs this site can print another: idlefee access add ROLE --link."
    ),
    403: "Sign out and open the link of the other role, or go back to the stalls.",
    404: "Check the address, or go back to the stalls.",
    405: "Go back and use the page's own buttons.",
    429: "Wait a while and try again. Nobody else is held up by it.",
    409: "Go back and reload the page to see what changed meanwhile.",
    422: "Go back, correct it, and send it again.",
    503: "Wait a few seconds and reload the page.",
    500: "Reload the page. If it happens again, tell whoever runs this site when it happened.",
}


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                response = await answer(request)
            except Exception as error:  # noqa: BLE001 - the last line before the browser
                response = error_page(request, error)
            return answer_with(request, response)

        return handler


def error_page(request: Request, error: Exception) -> Response:
    """The page for an error, with its status."""
    problem = _problem(error)
    if problem.status == 500:
        # Written out here: a logger that prints local variables would print cookies and keys.
        log.error("page failed", path=request.url.path, traceback="".join(format_exception(error)))
    lost = "Nothing was changed." if request.method == "POST" else "Nothing was lost."
    if problem.status >= 500:
        lost += (
            " Stations keep their messages until we have stored them, and every fee can be computed again from them."
        )
    response = page(
        request,
        "error.html",
        problem.status,
        problem=problem,
        lost=lost,
        what_to_do=WHAT_TO_DO.get(problem.status, WHAT_TO_DO[422 if problem.status < 500 else 500]),
    )
    response.headers.update(problem.headers)
    return response


def _problem(error: Exception) -> Problem:
    match error:
        case RequestValidationError():
            faults = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
            return Problem(422, "invalid_request", "The address has faults", faults)
        case HTTPException(status_code=404):
            return Problem(404, "not_found", "There is nothing here", "It does not exist, or it is not yours to see.")
        case HTTPException():
            return Problem(error.status_code, "http_error", str(error.detail), headers=error.headers)
    foreseen = problem_of(error)
    return foreseen or Problem(500, "internal_error", "Something went wrong here", "The cause is in the server's log.")


def nothing_here() -> Problem:
    """For what does not exist and for what is somebody else's: the same words, so that nobody learns which."""
    return Problem(404, "not_found", "There is nothing here", "It does not exist, or it is not yours to see.")
