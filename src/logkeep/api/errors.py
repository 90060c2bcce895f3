"""Every failure in the one shape `{"error":{"code","message","column"?}}`, or as a page with the same words."""

import traceback
from typing import Any, cast

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.params import QueryParameter
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap

from logkeep.api.auth import SignInNeeded, wants_page
from logkeep.api.backend import Context
from logkeep.api.links import sign_in_url
from logkeep.api.mismatches import plainly
from logkeep.api.sign_ins import COOKIE
from logkeep.errors import BackendUnavailable, InputError, LogkeepError, QuerySyntaxError, QuotaExceeded
from logkeep.telemetry import get_logger

LOGGED_CHARS_MAX = 500
_log = get_logger("api")
_CODES = {400: "bad_input", 404: "not_found", 413: "too_large", 503: "unavailable"}


class ErrorDetail(msgspec.Struct, omit_defaults=True):
    """code: a stable word for programs. message: for people. column: 1-based, where reading the query stopped."""

    code: str
    message: str
    column: int | None = None


class ErrorAnswer(msgspec.Struct):
    """The body of every answer that is not a success."""

    error: ErrorDetail


def handlers() -> ExceptionHandlersMap:
    """For `Litestar(exception_handlers=…)`: nothing leaves the API in another shape."""
    return {
        SignInNeeded: _lead_to_sign_in,
        LogkeepError: _answer_known,
        HTTPException: _answer_framework,
        RecursionError: _answer_too_deep,
        Exception: _answer_bug,
    }


def describe(error: LogkeepError) -> tuple[int, ErrorDetail, dict[str, str]]:
    """Status, words and headers of a known failure."""
    detail = ErrorDetail(error.code, error.message)
    if isinstance(error, QuerySyntaxError):
        return error.status, ErrorDetail(error.code, error.message, error.column), {}
    if isinstance(error, InputError):
        return error.status, detail, {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    if isinstance(error, QuotaExceeded):
        return 429, detail, {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, BackendUnavailable):
        return 503, detail, {"Retry-After": str(error.retry_after_s)}
    return 500, detail, {}


def _lead_to_sign_in(_: Request[Any, Any, Any], error: SignInNeeded) -> Response[Any]:
    return Redirect(sign_in_url(error.next), status_code=303)


def _answer_known(request: Request[Any, Any, Any], error: LogkeepError) -> Response[Any]:
    status, detail, headers = describe(error)
    if status == 500:
        _log.error("reading found damaged data", route=request.scope.get("path_template"), error=error.message)
    return _answer(request, status, detail, headers)


def _answer_too_deep(request: Request[Any, Any, Any], _: RecursionError) -> Response[Any]:
    """Of a body, which the decoder goes into as deep as it is; all else here is bounded."""
    return _answer(request, 400, ErrorDetail("invalid_json", "objects or arrays are nested too deep; send less"), {})


def _answer_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """What the framework found wrong before a handler was called: no such path, method, or parameter value."""
    if error.status_code >= 500:
        return _answer_bug(request, error)
    message = as_message(error.detail)
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        message = "; ".join(_of_value(request, item) for item in error.extra)
    if error.status_code == 404:
        message = "there is nothing at this path; /api/openapi.json lists what there is"
    if error.status_code == 413:
        message = "the body is larger than this path takes; send less"
    if error.status_code == 405:
        detail = ErrorDetail("method_not_allowed", "this path does not know this method; `Allow` lists those it does")
    else:
        detail = ErrorDetail(_CODES.get(error.status_code, "bad_input"), message)
    headers = error.headers or {}
    allowed = headers.get("allow", "").split(", ")
    if "GET" in allowed and "HEAD" not in allowed:  # serving.py answers HEAD wherever there is GET
        headers = {**headers, "allow": ", ".join([*allowed, "HEAD"])}
    return _answer(request, error.status_code, detail, headers)


def _answer_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A bug: the log gets what and where, without the values of the frames; its asker gets no details."""
    _log.error(
        "a request failed",
        route=request.scope.get("path_template"),
        error=f"{type(error).__name__}: {_without_secrets(request, str(error))[:LOGGED_CHARS_MAX]}",
        frames="".join(traceback.format_tb(error.__traceback__)),  # not exc_info: renderers may print local variables
    )
    return _answer(request, 500, ErrorDetail("internal", "this is a fault of the service; its log tells more"), {})


def _without_secrets(request: Request[Any, Any, Any], text: str) -> str:
    """`text` without the credentials this request came with."""
    token = request.headers.get("authorization", "").rpartition(" ")[2]
    for secret in (token, request.cookies.get(COOKIE, "")):
        text = text.replace(secret, "***") if secret else text
    return text


def _answer(
    request: Request[Any, Any, Any], status: int, detail: ErrorDetail, headers: dict[str, str]
) -> Response[bytes]:
    if wants_page(request):
        context = cast(Context, request.app.state.context)
        credential = getattr(request.state, "credential", None)
        caller = getattr(request.state, "caller", None)
        who = caller.name if caller is not None and caller.kind == "person" else ""
        able = [team for team, scopes in caller.teams.items() if "keys" in scopes] if caller is not None else []
        app = credential and credential.app
        content = context.pages.render("error.html", status=status, error=detail, app=app, who=who, may_make=able)
        return Response(content, status_code=status, headers=headers, media_type="text/html")
    body = msgspec.json.encode(ErrorAnswer(detail))
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def _of_value(request: Request[Any, Any, Any], item: Any) -> str:
    """What is wrong with one parameter, header or member of the body, which the framework calls `data`."""
    key, message = item.get("key"), item.get("message")
    parameter = request.route_handler.parsed_fn_signature.parameters.get(str(key))
    if parameter is not None and isinstance(parameter.kwarg_definition, QueryParameter):
        key = parameter.kwarg_definition.name or key  # as it is written in the address
    if key == "data" and message == "'data'":
        return "the body is empty; send a JSON object"
    return f"{'body' if key == 'data' else key}: {as_message(str(message or 'not valid'))}"


def as_message(text: str) -> str:
    """As ours are: in plain words, beginning with a small letter unless it is a name such as JSON."""
    text = plainly(text)
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
