"""The models of a store over HTTP: what each was made of and which is in use, on pages and as an API."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query as Parameter
from fastapi import Request, Response

from foretell.cases.promotion import Promotions
from foretell.cases.registry import Registry
from foretell.errors import ForetellError
from foretell.serving.admin_pages import status_for
from foretell.serving.api import Json, Short
from foretell.serving.house import House
from foretell.serving.pages import Form, go, press, render
from foretell.serving.security import TheHouse, Who

NOTICES = {
    "confirm": "The model is in use: it scores what is run from now on. Cases there are stay as they are.",
    "withdraw": "The proposal is withdrawn; the model in use stays.",
}
MEASURES = {
    "average_precision": "Average precision (higher is better)",
    "rmse": "RMSE (lower is better)",
    "log_loss": "Log-loss (lower is better)",
    "accuracy": "Accuracy (higher is better)",
    "mae": "Mean absolute error (lower is better)",
}
Number = Annotated[int, Parameter(alias="proposal", ge=1, le=10**18)]
Digest = Annotated[str, Parameter(alias="id", max_length=64, description="The model's digest.")]


def models(house: TheHouse) -> Any:
    """Return the model in use (empty: each run's own), and all models and proposals, the newest first."""
    known = Promotions(house.store)
    return Json(
        {
            "in_use": known.in_use(),
            "models": [asdict(each) for each in Registry(house.store).models()],
            "proposals": [asdict(each) for each in known.proposals()],
        }
    )


def model(house: TheHouse, digest: Digest) -> Any:
    """Return what is registered of a model, and of each that it came from, itself first."""
    return Json({"lineage": [asdict(each) for each in Registry(house.store).lineage(digest)]})


def confirm(house: TheHouse, who: Who, number: Number) -> Any:
    """Put a model in use that another administrator proposed."""
    return Json({"in_use": Promotions(house.store).confirm(who.name, number)})


def withdraw(house: TheHouse, who: Who, number: Number) -> Any:
    """Take a proposal back."""
    Promotions(house.store).withdraw(who.name, number)
    return Json({})


# The page


def page(request: Request, house: TheHouse, who: Who, done: Short = "") -> Response:
    """Show the model in use and what is proposed."""
    return _page(request, house, who, notice=NOTICES.get(done, ""))


def one(request: Request, house: TheHouse, who: Who, digest: Digest) -> Response:
    """Show what a model was made of, which models it came from, and which came from it."""
    known = Registry(house.store)
    shown, *before = known.lineage(digest)
    after = [each for each in known.models() if each.parent == shown.model]
    return render(request, "model.html", who, model=shown, before=before, after=after)


def close(request: Request, house: TheHouse, who: Who, form: Form) -> Response:
    """Confirm a proposal, or withdraw it."""
    known = Promotions(house.store)
    try:
        verb = press(form, "proposal", who.name, {"confirm": known.confirm, "withdraw": known.withdraw})
    except ForetellError as problem:
        return _page(request, house, who, problem=problem)
    return go(f"/models?done={verb}")


def _page(
    request: Request, house: House, who: Who, *, notice: str = "", problem: ForetellError | None = None
) -> Response:
    known = Promotions(house.store)
    proposals = known.proposals()
    return render(
        request,
        "models.html",
        who,
        status=status_for(problem),
        in_use=known.in_use(),
        registered=Registry(house.store).models(),
        open=[each for each in proposals if each.state == "proposed"],
        closed=[each for each in proposals if each.state != "proposed"],
        measures=MEASURES,
        notice=notice,
        problem=problem,
    )
