"""The way in by a provider: the browser is sent there, and comes back."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from foretell.errors import AccessError, NotFoundError
from foretell.serving.api import with_session
from foretell.serving.oidc import Provider, began_of
from foretell.serving.pages import ask_in, local, render
from foretell.serving.security import TheHouse

COOKIE = "foretell_oidc"
PATH = "/oidc"
SAFE = "/?&=%#+,;:@!$'()*"
MOST_SECONDS = 600
"""How long a sign-in may take at the provider."""


def provider_of(request: Request) -> Provider:
    """Return the provider that people sign in by.

    Raises:
        NotFoundError: when there is none.
    """
    provider = request.app.state.provider
    if provider is None:
        raise NotFoundError("people sign in here by name and password", "go to /sign-in")
    return provider


def begin(request: Request, target: Annotated[str, Query(alias="next", max_length=2000)] = "/") -> Response:
    """Send the browser to the provider."""
    provider = provider_of(request)
    try:
        where, began = provider.begin(local(target))
    except AccessError as error:
        return ask_in(request, local(target), error)
    response = RedirectResponse(where, status_code=303)
    secure = provider.back.startswith("https:")
    # Lax, since the provider sends the browser back from another site.
    response.set_cookie(
        COOKIE, began.text(), path=PATH, max_age=MOST_SECONDS, httponly=True, secure=secure, samesite="lax"
    )
    return response


def back(request: Request, house: TheHouse) -> Response:
    """Begin a session for who comes back from the provider, then go where the person wanted to go."""
    provider = provider_of(request)
    began = began_of(request.cookies.get(COOKIE, ""))
    target = local(began.target) if began else "/"
    try:
        token = house.accounts.begin(provider.end(began, dict(request.query_params)))
    except AccessError as error:
        response = ask_in(request, target, error)
    else:
        # The session's cookie is not sent on a way that begins at another site: this page begins a new one.
        response = with_session(render(request, "signed_in.html", next=target), request, token)
        response.headers["refresh"] = f"0; url={quote(target, safe=SAFE)}"
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="lax")
    return response
