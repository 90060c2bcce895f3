"""The viewer: one page of script under `/app/`, and the files it refers to.

The page itself carries no event: it asks the API for all it shows, with the cookie of the sign-in. Where the viewer was
not built (a bare checkout without Node) its addresses say so, and the pages that work without script stay as they are.
"""

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

import logkeep
from logkeep.api.answers import html_answer
from logkeep.api.auth import caller_of
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.starts import start_of
from logkeep.api.viewer_files import ASSET_POLICY, ViewerConfig


@get(["/app", "/app/{rest:path}"], include_in_schema=False)
async def viewer(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """The same page for every address below: which view it shows is the script's business."""
    settings = context.settings
    intake = f"{settings.intake.host}:{settings.intake.port}"
    app = credential.app
    start = await start_of(context, caller_of(request), app)
    page, policy = context.viewer.page(
        ViewerConfig(app, logkeep.__version__, context.retention_days(app), intake, start)
    )
    answer = html_answer(page)
    answer.headers["Content-Security-Policy"] = policy
    return answer


@get("/app/assets/{name:str}", include_in_schema=False)
async def asset(request: Request[Any, Any, Any], name: FromPath[str], context: GivenContext) -> Response[bytes]:
    """Script and style. Their names change with their content, so browsers keep them."""
    content, kind, encoding = context.viewer.asset(name, request.headers.get("accept-encoding", ""))
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": ASSET_POLICY,
    }
    if encoding:
        headers["Content-Encoding"] = encoding
    return Response(content, media_type=kind, headers=headers)
