"""Answers that last, such as a tail or an export: whoever gets one must be allowed to have it as long as it lasts."""

import asyncio

from logkeep.api.auth import Connection, SignInNeeded, still_admitted
from logkeep.api.backend import Context
from logkeep.api.sign_ins import COOKIE, FRESH_S
from logkeep.clock import NS_PER_S
from logkeep.errors import InputError, LogkeepError

LOOK_S = 1.0  # how often it is looked whether something has changed, from memory; what has is looked at closely then
GRACE_S = 2 * LOOK_S  # for the answer to say that it is over: it may have looked a moment before
CLOSELY_S = 15.0  # what no change tells, such as a token's end


class Admission:
    """That the caller of a request is admitted still; once not, never again. Used by the event loop's thread alone.

    What is changed with this instance counts at once, a role or token changed elsewhere when the metastore is looked at
    the next time, a sign-in ended elsewhere within FRESH_S.
    """

    def __init__(self, connection: Connection, context: Context, *, closely_s: float = CLOSELY_S) -> None:
        self._connection, self._context, self._closely_s = connection, context, closely_s
        self._change = context.backend.metastore.change()
        self._looked_ns = context.clock.monotonic_ns()
        self._over: LogkeepError | None = None
        has_token = "authorization" in connection.headers
        self._cookie = "" if has_token else connection.cookies.get(COOKIE, "")

    async def look(self) -> None:
        """Cheap, as often as you like. Raises InputError (401, 403, 404) or BackendUnavailable from when it is over on:
        to whoever looks, and as often as they do."""
        if self._over is not None:
            raise self._over
        change, now_ns = self._context.backend.metastore.change(), self._context.clock.monotonic_ns()
        if change == self._change and not self._is_due((now_ns - self._looked_ns) / NS_PER_S):
            return
        try:
            await still_admitted(self._connection)
        except SignInNeeded as error:
            self._over = InputError("the sign-in has ended; sign in again", code="unauthorized", status=401)
            raise self._over from error
        except LogkeepError as error:
            self._over = error
            raise
        self._change, self._looked_ns = change, now_ns  # only now: who looks meanwhile waits for an answer too

    def _is_due(self, age_s: float) -> bool:
        if age_s >= self._closely_s:
            return True
        if not self._cookie or self._context.sign_ins.is_fresh(self._cookie):
            return False
        return age_s >= FRESH_S or not self._context.sign_ins.is_known(self._cookie)

    async def until_over(self) -> None:
        """Returns once it is over, and the answer has had GRACE_S to say so itself."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except LogkeepError:
                await asyncio.sleep(GRACE_S)
                return
