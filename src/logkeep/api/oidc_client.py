"""OpenID Connect, as far as signing in needs it: the code flow with PKCE, state and nonce. Blocks.

joserfc checks the signed token; the rest is three requests. A client library would bring an HTTP client of its own.
"""

import base64
import hashlib
import http.client
import secrets
import ssl
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.settings import OidcSettings

KNOWN_S = 3600  # for which what the provider says of itself, and its keys, are remembered
ANSWER_BYTES_MAX = 1 << 20
SKEW_S = 60  # by which the provider's clock may be off
# Signatures by the provider alone: with HS256 the secret that we hold would do, and `none` needs nobody.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Begun(msgspec.Struct, frozen=True):
    """What is kept of a trip to the provider, for the browser that makes it alone. next: where to come back to."""

    state: str
    nonce: str
    verifier: str
    next: str


class _Metadata(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class Provider:
    """The one of the settings. Raises BackendUnavailable (it does not answer), InputError (403: it says no)."""

    def __init__(self, settings: OidcSettings, clock: Clock, redirect_uri: str) -> None:
        self._settings, self._clock, self._redirect_uri = settings, clock, redirect_uri
        self._lock = threading.Lock()
        self._known: tuple[int, _Metadata, Any] | None = None

    def begin(self, next: str) -> tuple[str, Begun]:
        """Where the browser goes, and what is to be kept until it is back."""
        metadata, _ = self._about()
        begun = Begun(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), next)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid email profile",
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        separator = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{separator}{urlencode(asked)}", begun

    def claims(self, begun: Begun, code: str) -> Mapping[str, Any]:
        """What the provider says of who came back with `code`."""
        metadata, _ = self._about()
        tokens = self._exchanged(metadata, begun, code)
        claims = self._verified(metadata, tokens.id_token, begun.nonce)
        if "email" not in claims and metadata.userinfo_endpoint and tokens.access_token:
            headers = {"Authorization": f"Bearer {tokens.access_token}"}
            more = self._json(metadata.userinfo_endpoint, dict[str, Any], headers=headers)
            if more.get("sub") != claims["sub"]:  # OpenID Connect Core 5.3.2
                raise _refused("it speaks of somebody else than at first")
            claims = {**more, **claims}
        return claims

    def _exchanged(self, metadata: _Metadata, begun: Begun, code: str) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": begun.verifier,
        }
        headers = {}
        id, secret = self._settings.client_id, self._settings.client_secret
        if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            pair = f"{quote(id, safe='')}:{quote(secret, safe='')}".encode()  # RFC 6749 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        else:
            form |= {"client_id": id, "client_secret": secret}
        found: _Tokens = self._json(metadata.token_endpoint, _Tokens, form=form, headers=headers)
        return found

    def _verified(self, metadata: _Metadata, token: str, nonce: str) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            try:
                found = jwt.decode(token, self._about()[1], algorithms=ALGORITHMS)
            except (JoseError, ValueError):  # the provider may have new keys
                found = jwt.decode(token, self._about(fresh=True)[1], algorithms=ALGORITHMS)
            now_s = self._clock.now_ns() // NS_PER_S
            rules = jwt.JWTClaimsRegistry(
                now=now_s,
                leeway=SKEW_S,
                iss={"essential": True, "value": metadata.issuer},
                aud={"essential": True, "value": self._settings.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            rules.validate(found.claims)
        except (JoseError, ValueError) as error:
            raise _refused(f"its token does not hold: {error}") from error
        claims: dict[str, Any] = found.claims
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != self._settings.client_id:
            raise _refused("its token is for another service")
        return claims

    # ── what the provider says of itself ──────────────────────────────────────────────────────────────────────────

    def _about(self, *, fresh: bool = False) -> tuple[_Metadata, Any]:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        with self._lock:
            now_ns = self._clock.monotonic_ns()
            if self._known is not None and not fresh and now_ns - self._known[0] < KNOWN_S * NS_PER_S:
                return self._known[1:]
            issuer = self._settings.issuer.rstrip("/")
            metadata = self._json(f"{issuer}/.well-known/openid-configuration", _Metadata)
            if metadata.issuer.rstrip("/") != issuer:
                raise _unavailable(f"it calls itself {metadata.issuer[:200]}, not {issuer}; set oidc.issuer so")
            try:
                keys = KeySet.import_key_set(self._json(metadata.jwks_uri, dict[str, Any]))
            except (JoseError, ValueError) as error:
                raise _unavailable(f"its keys cannot be read: {error}") from error
            self._known = (now_ns, metadata, keys)
            return metadata, keys

    def _json(
        self, url: str, kind: Any, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        status, body = self._request(url, form, dict(headers or {}))
        if status != 200:
            if form is not None and 400 <= status < 500:
                raise _refused(f"it does not take the code: {body[:200].decode('utf-8', 'replace')}")
            raise _unavailable(f"{url} answers {status}")
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _unavailable(f"{url} answers with something else: {error}") from error

    def _request(self, url: str, form: Mapping[str, str] | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """No redirect is followed: a secret goes to the address that was meant."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        if not parts.hostname or not (secure or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
            raise _unavailable(f"{url[:200]} is no https address")
        timeout_s = self._settings.timeout_s
        connection = (
            http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout_s, context=ssl.create_default_context()
            )
            if secure
            else http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        )
        body = None if form is None else urlencode(form).encode()
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("GET" if body is None else "POST", path, body, {"Accept": "application/json", **headers})
            response = connection.getresponse()
            return response.status, response.read(ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise _unavailable(f"{url} does not answer: {error}") from error
        finally:
            connection.close()


def _refused(why: str) -> InputError:
    return InputError(f"the provider did not let you in: {why}", code="sign_in_refused", status=403)


def _unavailable(why: str) -> BackendUnavailable:
    return BackendUnavailable(f"the sign-in provider cannot be used: {why}", code="provider_unavailable")
