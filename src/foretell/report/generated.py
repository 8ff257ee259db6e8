"""The page of a generated set: previews beside the real ones, then its text and all that was measured."""

from collections.abc import Sequence
from typing import Protocol

from markupsafe import Markup

from foretell.records import Case
from foretell.report.contents import Example
from foretell.report.page import environment, visible


class Preview(Protocol):
    """One picture."""

    @property
    def caption(self) -> str: ...
    @property
    def markup(self) -> str: ...


def page(case: Case, previews: Sequence[Preview], *, file: str) -> str:
    """Return the whole page: no script, no request; images stand in it.

    Args:
        previews: their markup is ours: SVG, images as data URLs, escaped text.
        file: name of the file of the set.
    """
    (made,) = case.evidence.of("generated")
    measured = ("fidelity", "novelty", "membership", "verbatim")
    template = environment().get_template("generated.html")
    return visible(
        template.render(
            example=Example(case=case),
            previews=[(each.caption, Markup(each.markup)) for each in previews],
            made=made,
            measures=[fact for kind in measured for fact in case.evidence.of(kind)],
            file=file,
        )
    )
