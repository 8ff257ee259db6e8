"""The table of routes: each with the permission it needs. A route that is not in it is not served."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from foretell.serving import (
    admin_pages,
    api,
    assets,
    bundles,
    case_page,
    dashboard,
    generating,
    metrics,
    models_pages,
    oidc_pages,
    owner_pages,
    pages,
    policy_page,
    queue_page,
    webhooks_pages,
)
from foretell.serving.lanes import LOOK, WORK, answering
from foretell.serving.security import ANYONE, SIGNED_IN, needs


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    permission: str
    """A row of `people.PERMISSIONS`, or `ANYONE`, or `SIGNED_IN`."""
    endpoint: Callable[..., Any]
    page: bool = False
    long: bool = False
    """Computes for seconds where the store is large, or asks another host."""


ROUTES: tuple[Route, ...] = (
    Route("GET", "/health", ANYONE, api.health),
    Route("POST", "/api/session", ANYONE, api.sign_in),
    Route("DELETE", "/api/session", SIGNED_IN, api.sign_out),
    Route("GET", "/api/me", SIGNED_IN, api.me),
    Route("PUT", "/api/me/password", SIGNED_IN, api.set_password),
    Route("GET", "/api/cases", "read", api.cases),
    Route("GET", "/api/case", "read", api.case),
    Route("POST", "/api/case/decisions", "comment", api.decide),
    Route("POST", "/api/case/suggestions", "read", api.suggest),
    Route("POST", "/api/case/acts", "read", api.act),
    Route("POST", "/api/case/check", "edit", api.check),
    Route("POST", "/api/case/claim", "claim", api.claim),
    Route("DELETE", "/api/case/claim", "claim", api.release),
    Route("POST", "/api/next", "claim", api.next_case),
    Route("DELETE", "/api/case/content", "erase", api.erase),
    Route("GET", "/api/views", "read", api.views),
    Route("PUT", "/api/views", "read", api.save_view),
    Route("GET", "/api/people", "people", api.people),
    Route("PUT", "/api/people", "people", api.save_person),
    Route("GET", "/api/keys", SIGNED_IN, api.keys),
    Route("POST", "/api/keys", SIGNED_IN, api.make_key),
    Route("DELETE", "/api/keys", SIGNED_IN, api.revoke_key),
    Route("GET", "/api/policy", "read", api.policy),
    Route("GET", "/api/proposals", "read", api.proposals),
    Route("POST", "/api/proposals", "policy", api.propose),
    Route("POST", "/api/proposals/confirm", "policy", api.confirm),
    Route("POST", "/api/proposals/withdraw", "policy", api.withdraw),
    Route("GET", "/api/planted", "plant", api.planted),
    Route("POST", "/api/planted", "plant", api.plant),
    Route("GET", "/api/webhooks", "webhooks", webhooks_pages.endpoints),
    Route("POST", "/api/webhooks", "webhooks", webhooks_pages.propose),
    Route("POST", "/api/webhooks/confirm", "webhooks", webhooks_pages.confirm),
    Route("POST", "/api/webhooks/end", "webhooks", webhooks_pages.end),
    Route("POST", "/api/webhooks/retry", "webhooks", webhooks_pages.retry),
    Route("GET", "/api/models", "export", models_pages.models),
    Route("GET", "/api/model", "read", models_pages.model),
    Route("POST", "/api/models/confirm", "promote", models_pages.confirm),
    Route("POST", "/api/models/withdraw", "promote", models_pages.withdraw),
    Route("POST", "/api/generators", "generate", generating.fit),
    Route("GET", "/api/generators", "generate", generating.state),
    Route("POST", "/api/generators/stop", "generate", generating.stop),
    Route("POST", "/api/sets", "generate", generating.draw),
    Route("GET", "/api/sets", "generate", generating.state),
    Route("POST", "/api/sets/stop", "generate", generating.stop),
    Route("GET", "/metrics", "read", metrics.metrics, long=True),
    Route("GET", "/api/log/head", "read", api.head),
    Route("GET", "/api/log/check", "export", api.check_log, long=True),
    Route("GET", "/api/export", "export", bundles.export, long=True),
    Route("GET", "/static/{name}", ANYONE, assets.static, page=True),
    Route("GET", "/sign-in", ANYONE, pages.sign_in_page, page=True),
    Route("POST", "/sign-in", ANYONE, pages.sign_in, page=True),
    Route("GET", "/oidc", ANYONE, oidc_pages.begin, page=True, long=True),
    Route("GET", "/oidc/back", ANYONE, oidc_pages.back, page=True, long=True),
    Route("POST", "/sign-out", SIGNED_IN, pages.sign_out, page=True),
    Route("GET", "/", "read", queue_page.show, page=True),
    Route("GET", "/case", "read", case_page.show, page=True),
    Route("POST", "/case", "comment", case_page.act, page=True),
    Route("POST", "/case/erase", "erase", case_page.erase, page=True),
    Route("POST", "/next", "claim", queue_page.next_case, page=True),
    Route("POST", "/views", "read", queue_page.keep_view, page=True),
    Route("GET", "/dashboard", "read", dashboard.show, page=True, long=True),
    Route("GET", "/log", "export", owner_pages.log, page=True),
    Route("POST", "/log/check", "export", owner_pages.check, page=True),
    Route("GET", "/export", "export", bundles.export, page=True, long=True),
    Route("GET", "/policy", "read", policy_page.show, page=True),
    Route("POST", "/policy", "policy", policy_page.propose, page=True),
    Route("POST", "/policy/close", "policy", policy_page.close, page=True),
    Route("GET", "/people", "people", admin_pages.people, page=True),
    Route("POST", "/people", "people", admin_pages.save_person, page=True),
    Route("GET", "/webhooks", "webhooks", webhooks_pages.page, page=True),
    Route("POST", "/webhooks", "webhooks", webhooks_pages.propose_here, page=True),
    Route("POST", "/webhooks/act", "webhooks", webhooks_pages.act, page=True),
    Route("GET", "/models", "export", models_pages.page, page=True),
    Route("GET", "/model", "read", models_pages.one, page=True),
    Route("POST", "/models/close", "promote", models_pages.close, page=True),
    Route("GET", "/keys", SIGNED_IN, admin_pages.keys, page=True),
    Route("POST", "/keys", SIGNED_IN, admin_pages.make_key, page=True),
    Route("POST", "/keys/end", SIGNED_IN, admin_pages.end_key, page=True),
    Route("POST", "/password", SIGNED_IN, admin_pages.set_password, page=True),
)


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": api.Problem, "description": "What was asked cannot be, and what to do."},
    503: {"model": api.Problem, "description": "The store cannot be read or written."},
}


def add(app: FastAPI) -> None:
    """Serve the table's routes, each behind its permission."""
    for route in ROUTES:
        guards = [] if route.permission == ANYONE else [Depends(needs(route.permission))]
        app.add_api_route(
            route.path,
            answering(LOOK if route.method == "GET" and not route.long else WORK, route.endpoint),
            methods=[route.method],
            dependencies=guards,
            include_in_schema=route.path.startswith("/api/"),
            response_class=HTMLResponse if route.page else api.Json,
            responses=None if route.page else PROBLEMS,
            tags=[route.permission],
        )
