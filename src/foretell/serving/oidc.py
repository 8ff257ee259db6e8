"""Signing in by OpenID Connect: the authorization code flow with PKCE, for people who have an account.

OpenID Connect Core 1.0 (section 3.1), RFC 7636 (PKCE), RFC 9207 (issuer in the answer). What a sign-in needs
is kept in a cookie of the browser that began it: any process of the desk can end it, and no other browser.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from foretell.cases.endpoints import checked_url
from foretell.errors import AccessError, ForetellError, SpecError
from foretell.lookup import unknown
from foretell.outward import UnreachableError, request

SECRET_VARIABLE = "FORETELL_OIDC_SECRET"
ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
"""Signatures that are taken: none by a shared secret, and none at all never."""
SCOPE = "openid email profile"
KEPT_SECONDS = 3600.0
"""How long the provider's description and keys are used before they are asked for again."""
SPARED_SECONDS = 10.0
"""How long a provider that failed, or whose keys were just read, is not asked again."""
SKEW_SECONDS = 60
"""How far the provider's clock may be off."""
ANSWER_SECONDS = 5.0
EVERYWHERE = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
"""The owner named the issuer: it may stand in a private network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSpec:
    """How people sign in by a provider."""

    issuer: str
    """The provider's address, exactly as its tokens name it."""
    client: str
    """How the provider calls this desk."""
    desk: str
    """The desk's own address, as browsers see it; the provider sends people back to it, at /oidc/back."""
    name: str = "your organisation"
    """What the sign-in page calls the provider."""
    claim: str = "email"
    """Which claim of the token names the account; an email counts only when it is verified."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Value of the claim -> account; where it is empty, the value is the account's name."""
    secret_file: str = ""
    """File of the client's secret; else $FORETELL_OIDC_SECRET; without either the client is a public one."""


@dataclass(frozen=True, slots=True)
class Began:
    """A sign-in that is under way in one browser."""

    state: str
    nonce: str
    verifier: str
    target: str

    def text(self) -> str:
        """Return it as a cookie keeps it."""
        values = [self.state, self.nonce, self.verifier, self.target]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def began_of(text: str) -> Began | None:
    """Return the sign-in that a cookie tells of, if it does."""
    try:
        values = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or len(values) != 4 or not all(isinstance(each, str) for each in values):
        return None
    return Began(*values) if all(each.isascii() for each in values[:3]) else None


def spec_of(path: Path) -> OidcSpec:
    """Read how people sign in by a provider.

    Raises:
        SpecError: when the file cannot be read, or says something else.
    """
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise SpecError(
            f"{path} cannot be read: {error}", "see docs/desk.md, Signing in elsewhere"
        ) from error
    if not isinstance(data, Mapping):
        raise SpecError(f"{path} is no mapping of names to values", "see docs/desk.md, Signing in elsewhere")
    names = [item.name for item in fields(OidcSpec)]
    for name, value in data.items():
        if name not in names:
            raise SpecError(*unknown("field", str(name), names))
        if not (_texts(value) if name == "accounts" else isinstance(value, str) and value):
            raise SpecError(f"'{name}' of {path} cannot be {value!r}", "write a text; accounts: text: text")
    if missing := [name for name in ("issuer", "client", "desk") if name not in data]:
        raise SpecError(f"{path} does not say '{missing[0]}'", "see docs/desk.md, Signing in elsewhere")
    return OidcSpec(**data)


def _texts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(each, str) for pair in value.items() for each in pair
    )


class Provider:
    """The provider that people sign in by. Safe to use from many threads."""

    def __init__(self, spec: OidcSpec) -> None:
        self.spec = spec
        for url in (spec.issuer, spec.desk):
            checked_url(url)
        try:
            import joserfc  # noqa: F401, so that it lacks now rather than at the first sign-in
        except ModuleNotFoundError as error:
            raise SpecError("signing in elsewhere needs joserfc", "pip install 'foretell[oidc]'") from error
        self._secret = _secret(spec)
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, Any]] = {}

    @property
    def back(self) -> str:
        """Where the provider sends people back to."""
        return f"{self.spec.desk.rstrip('/')}/oidc/back"

    def begin(self, target: str) -> tuple[str, Began]:
        """Return where to send a browser, and what it must bring back.

        Raises:
            AccessError: when the provider cannot be asked, or is not the one it should be.
        """
        began = Began(*(secrets.token_urlsafe(32) for _ in range(3)), target)
        challenge = hashlib.sha256(began.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.spec.client,
            "redirect_uri": self.back,
            "scope": SCOPE,
            "state": began.state,
            "nonce": began.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        where = self._place("authorization_endpoint")
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}", began

    def end(self, began: Began | None, answer: Mapping[str, str]) -> str:
        """Return the account of who comes back from the provider.

        Args:
            began: what this browser began with.
            answer: what the provider gave the browser along.

        Raises:
            AccessError: when anything of it is not as it must be.
        """
        if began is None or not hmac.compare_digest(
            began.state.encode(), answer.get("state", "").encode(errors="replace")
        ):
            raise self._refused("it was not begun in this browser, or has been used already")
        if answer.get("iss", self.spec.issuer) != self.spec.issuer:
            raise self._refused("the answer is from another issuer")
        if "code" not in answer:
            raise self._refused(f"the provider says '{answer.get('error', 'nothing')[:80]}'")
        token = self._exchanged(answer["code"], began.verifier)
        return self._account(self._claims(token, began.nonce))

    def _exchanged(self, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.back,
            "code_verifier": verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        ways = self._described().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if self._secret and "client_secret_basic" in ways:
            pair = f"{quote(self.spec.client, safe='')}:{quote(self._secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self.spec.client} | (
                {"client_secret": self._secret} if self._secret else {}
            )
        told = self._asked("POST", self._place("token_endpoint"), headers, urlencode(form).encode())
        token = told.get("id_token")
        if not isinstance(token, str):
            raise self._refused("the provider gave no token")
        return token

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """Return what a token says, when it is the provider's, for this desk and sign-in, and of now."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        for fresh in (
            False,
            True,
        ):  # keys change: who signs with one that is not known yet is looked up again
            try:
                keys = KeySet.import_key_set(self._kept("keys", self._place("jwks_uri"), fresh=fresh))
                claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
                break
            except (JoseError, ValueError, KeyError, TypeError) as error:
                if fresh:
                    raise self._refused("the token's signature does not hold") from error
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        party = claims.get("azp", self.spec.client if len(audiences) == 1 else None)
        now, until, since = time.time(), _number(claims.get("exp")), _number(claims.get("iat"))
        faults = {
            "the token is of another issuer": claims.get("iss") != self.spec.issuer,
            "the token is for somebody else": self.spec.client not in audiences or party != self.spec.client,
            "the token has run out": not until > now - SKEW_SECONDS,
            "the token is of the future": not since < now + SKEW_SECONDS,
            "the token is of another sign-in": claims.get("nonce") != nonce,
        }
        for fault, holds in faults.items():
            if holds:
                raise self._refused(fault)
        return claims

    def _account(self, claims: Mapping[str, Any]) -> str:
        value = claims.get(self.spec.claim)
        if not isinstance(value, str) or not value:
            raise self._refused(f"the token does not tell your {self.spec.claim}")
        if self.spec.claim == "email" and claims.get("email_verified") is not True:
            raise self._refused("your email is not verified there")
        name = self.spec.accounts.get(value) if self.spec.accounts else value
        if name is None:
            raise self._refused(f"'{value[:200]}' has no account at this desk")
        return name

    def _described(self) -> Mapping[str, Any]:
        told = self._kept("place", f"{self.spec.issuer.rstrip('/')}/.well-known/openid-configuration")
        if told.get("issuer") != self.spec.issuer:
            raise self._refused(f"the provider calls itself '{str(told.get('issuer'))[:200]}'")
        return told

    def _place(self, name: str) -> str:
        try:
            return checked_url(str(self._described().get(name)))
        except ForetellError as error:
            raise self._refused(f"the provider names no {name}: {error.message}") from error

    def _kept(self, name: str, url: str, *, fresh: bool = False) -> Any:
        """Return a document of the provider, as it was read within the hour."""
        with self._lock:
            age, told = self._told.get(name, (float("-inf"), None))
            past = time.monotonic() - age
            if past > (SPARED_SECONDS if fresh or isinstance(told, AccessError) else KEPT_SECONDS):
                try:
                    told = self._asked("GET", url, {"accept": "application/json"})
                except AccessError as error:
                    told = error
                self._told[name] = (time.monotonic(), told)
        if isinstance(told, AccessError):
            raise AccessError(told.message, told.hint)
        return told

    def _asked(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Any:
        try:
            answer = request(
                method, url, headers, body, private=EVERYWHERE, read=True, seconds=ANSWER_SECONDS
            )
            told = json.loads(answer.body) if answer.status == 200 else None
        except (UnreachableError, ValueError, RecursionError) as error:
            raise self._refused(f"the provider cannot be asked: {str(error).splitlines()[0]}") from error
        if not isinstance(told, dict):
            raise self._refused(f"the provider answered {answer.status}")
        return told

    def _refused(self, why: str) -> AccessError:
        return AccessError(
            f"signing in with {self.spec.name} failed: {why}", "try again, or ask an administrator"
        )


def _number(value: Any) -> float:
    """Return a number, or one that compares with none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")


def _secret(spec: OidcSpec) -> str:
    if not spec.secret_file:
        return os.environ.get(SECRET_VARIABLE, "")
    try:
        return Path(spec.secret_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise SpecError(
            f"{spec.secret_file} cannot be read: {error}", "name the file of the secret"
        ) from error
