"""People of the whole installation, for the owners of its first team: `/api/v1/people`."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, patch
from litestar.params import FromPath, JSONBody

from logkeep.api.answers import Time
from logkeep.api.auth import actor_of
from logkeep.api.bodies import Body, answer, nothing, told, when
from logkeep.api.search import GivenContext
from logkeep.errors import InputError
from logkeep.metastore.people import Person


class PersonAnswer(msgspec.Struct):
    person: str
    email: str
    name: str
    password: bool
    totp: bool
    disabled: bool
    made: Time


class PeopleAnswer(msgspec.Struct):
    people: list[PersonAnswer]
    next: None = None


class PersonBody(Body):
    disabled: bool


@get("/api/v1/people", summary="People", tags=["people"], responses=told(PeopleAnswer, "By e-mail"))
async def people(context: GivenContext) -> Response[bytes]:
    """Everybody who may sign in, of all teams. Only owners of the first team see them."""
    found = await context.checks.run(context.backend.directory.people.all)
    return answer(PeopleAnswer([_person(person) for person in found]))


@patch(
    "/api/v1/people/{person:str}",
    summary="Disable or enable a person",
    tags=["people"],
    responses=told(PersonAnswer, "As they are now", 404, 409),
)
async def change_person(
    request: Request[Any, Any, Any], context: GivenContext, person: FromPath[str], data: JSONBody[PersonBody]
) -> Response[bytes]:
    """Disabled, they can do nothing: their sign-ins end, their tokens are worth nothing. Nobody disables themselves.

    The last owner of a team who can sign in stays (409, `last_owner`).
    """
    by = actor_of(request)
    if person == by.id:
        raise InputError("you cannot disable or enable yourself; ask another owner", code="forbidden", status=403)
    changed = await context.checks.run(lambda: context.backend.directory.people.set_disabled(by, person, data.disabled))
    return answer(_person(changed))


@delete(
    "/api/v1/people/{person:str}/sign-ins",
    status_code=204,
    summary="Sign a person out everywhere",
    tags=["people"],
    responses=told(None, "Their sign-ins have ended", 404, status=204),
)
async def end_sign_ins(request: Request[Any, Any, Any], context: GivenContext, person: FromPath[str]) -> Response[None]:
    """All of them; their tokens go on."""
    by = actor_of(request)
    await context.checks.run(lambda: context.backend.directory.people.sign_out_everywhere(by, person))
    return nothing()


@delete(
    "/api/v1/people/{person:str}/totp",
    status_code=204,
    summary="Remove a person's second factor",
    tags=["people"],
    responses=told(None, "They are asked for no code any more", 404, status=204),
)
async def remove_totp(request: Request[Any, Any, Any], context: GivenContext, person: FromPath[str]) -> Response[None]:
    """For who has lost the device and the recovery codes. One's own is removed with the password."""
    by = actor_of(request)
    if person == by.id:
        raise InputError(
            "remove your own with your password: POST /api/v1/me/totp/remove", code="forbidden", status=403
        )
    await context.checks.run(lambda: context.backend.directory.totp.remove(by, person))
    return nothing()


def _person(person: Person) -> PersonAnswer:
    return PersonAnswer(
        person.id, person.email, person.name, bool(person.password), bool(person.totp), bool(person.disabled_ns),
        when(person.made_ns) or "",
    )  # fmt: skip
