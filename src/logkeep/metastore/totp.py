"""The second factor: codes of six digits from a person's device (RFC 6238), and codes for when it is lost.

The secret has to be kept as it is, unlike everything else here: both sides reckon the same code from it.
"""

import hmac
import secrets
from typing import Any

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.errors import InputError
from logkeep.metastore.accounts import sha256_of
from logkeep.metastore.audit import Actor, record
from logkeep.metastore.database import Transaction
from logkeep.metastore.people import People, Person, keep_person, person_in
from logkeep.metastore.writing import Writer

STEP_S = 30
SKEW_STEPS = 1  # a device's clock may be off by so many steps: what RFC 6238 advises
RECOVERY_CODES = 10
ISSUER = "Logkeep"
_WRONG = "this is not the code that the device shows now; look at its clock, then type the next one"


class Totp:
    """Raises BackendUnavailable, InputError."""

    def __init__(self, writer: Writer, people: People) -> None:
        self._writer, self._people = writer, people

    def enrol(self, by: Actor, id: str) -> tuple[str, str]:
        """A secret, and the address with it that devices read; it counts once `confirm` was given a code of it."""
        import pyotp

        secret = pyotp.random_base32()
        person = self._people.change(by, id, "totp.enrolled", lambda _: {"totp_pending": secret})
        return secret, pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=ISSUER)

    def confirm(self, by: Actor, id: str, code: str) -> list[str]:
        """From now on a code is asked for; what is returned are codes for when the device is lost, good once each."""
        codes = [f"{secrets.token_hex(4)}-{secrets.token_hex(4)}" for _ in range(RECOVERY_CODES)]

        def update(transaction: Transaction) -> None:
            person = person_in(transaction, id)
            step = self._step_of(person.totp_pending, code) if person.totp_pending else None
            if step is None:
                raise _wrong()
            changes: dict[str, Any] = {"totp": person.totp_pending, "totp_pending": "", "totp_step": step}
            self._keep(transaction, by, person, "totp.confirmed", changes)
            transaction.change("DELETE FROM recovery_codes WHERE person = :person", person=id)
            rows = [{"person": id, "sha256": _code_hash(one)} for one in codes]
            transaction.change_many("INSERT INTO recovery_codes (person, sha256) VALUES (:person, :sha256)", rows)

        self._writer.change(update)
        return codes

    def remove(self, by: Actor, id: str) -> None:
        """No code is asked for any more."""

        def update(transaction: Transaction) -> None:
            person = person_in(transaction, id)
            self._keep(transaction, by, person, "totp.removed", {"totp": "", "totp_pending": "", "totp_step": 0})
            transaction.change("DELETE FROM recovery_codes WHERE person = :person", person=id)

        self._writer.change(update)

    def check(self, by: Actor, id: str, code: str) -> bool:
        """Whether it is a code of the device, or one for when it is lost; each is good once."""

        def use(transaction: Transaction) -> bool:
            person = person_in(transaction, id)
            step = self._step_of(person.totp, code) if person.totp else None
            if step is not None:
                # A code that was seen over the shoulder is worth nothing: each step once, and none before it.
                sql = "UPDATE people SET totp_step = :step WHERE id = :id AND totp_step < :step"
                return transaction.change(sql, step=step, id=id) == 1
            sql = "DELETE FROM recovery_codes WHERE person = :person AND sha256 = :sha256"
            if transaction.change(sql, person=id, sha256=_code_hash(code)) != 1:
                return False
            left = transaction.rows("SELECT COUNT(*) FROM recovery_codes WHERE person = :person", person=id)[0][0]
            record(transaction, [self._people.entry(by, "totp.recovery_code_used", person, {"left": int(left)})])
            return True

        return self._writer.write(use)

    def refusal(self, id: str, code: str) -> InputError:
        """Why `check` has not taken it: what was typed tells which of both kinds was meant."""
        if not _is_of_device(code):
            why = "this is none of the recovery codes that are left; each is good once"
        elif self._writer.read(lambda transaction: self._was_used(person_in(transaction, id), code)):
            why = "this code was used already; wait for the next one"
        else:
            why = _WRONG
        return InputError(why, code="wrong_code", status=401)

    def _was_used(self, person: Person, code: str) -> bool:
        step = self._step_of(person.totp, code) if person.totp else None
        return step is not None and step <= person.totp_step

    def _step_of(self, secret: str, code: str) -> int | None:
        """The step whose code it is, of now and the ones beside it."""
        import pyotp

        if not _is_of_device(code):
            return None
        clean = code.replace(" ", "")
        now = self._writer.clock.now_ns() // NS_PER_S // STEP_S
        made = pyotp.TOTP(secret)
        steps = [
            step
            for step in range(now - SKEW_STEPS, now + SKEW_STEPS + 1)
            if hmac.compare_digest(made.at(step * STEP_S), clean)
        ]
        return steps[-1] if steps else None

    def _keep(self, transaction: Transaction, by: Actor, person: Person, what: str, changes: dict[str, Any]) -> None:
        changed = msgspec.structs.replace(person, **changes, revision=person.revision + 1)
        keep_person(transaction, changed)
        record(transaction, [self._people.entry(by, what, changed)])


def _is_of_device(code: str) -> bool:
    """Six digits; recovery codes are longer."""
    clean = code.replace(" ", "")
    return len(clean) == 6 and clean.isascii() and clean.isdigit()


def _code_hash(code: str) -> str:
    """64 random bits: a plain hash of them cannot be searched by who may try five a sign-in."""
    return sha256_of("recovery " + code.strip().lower().replace("-", "").replace(" ", ""))


def _wrong() -> InputError:
    return InputError(_WRONG, code="wrong_code")
