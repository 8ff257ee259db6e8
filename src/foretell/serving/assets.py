"""The style sheet, script and icon, each under a name with its digest, so that browsers may keep it."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fastapi import Request, Response
from starlette.exceptions import HTTPException

SOURCES: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "desk.css": (
        "text/css; charset=utf-8",
        (("foretell.report", "templates/page.css"), ("foretell.serving", "static/desk.css")),
    ),
    "desk.js": ("text/javascript; charset=utf-8", (("foretell.serving", "static/desk.js"),)),
    "icon.svg": ("image/svg+xml", (("foretell.serving", "static/icon.svg"),)),
}
"""What pages name -> its media type and the files it consists of."""


@dataclass(frozen=True, slots=True)
class Asset:
    address: str
    kind: str
    content: bytes
    packed: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """Return all assets: what pages name -> what is served."""
    found = {}
    for name, (kind, files) in SOURCES.items():
        texts = [resources.files(package).joinpath(path).read_text() for package, path in files]
        content = "\n".join(texts).encode()
        stem, _, end = name.rpartition(".")
        address = f"/static/{stem}-{hashlib.sha256(content).hexdigest()[:16]}.{end}"
        found[name] = Asset(address, kind, content, gzip.compress(content, mtime=0))
    return found


def address(name: str) -> str:
    """Return the address of an asset."""
    return assets()[name].address


def static(request: Request, name: str) -> Response:
    """Serve an asset; its name changes with its content, so that it never goes stale."""
    asset = next((each for each in assets().values() if each.address == f"/static/{name}"), None)
    if asset is None:
        raise HTTPException(404, "there is no such file")
    packed = "gzip" in request.headers.get("accept-encoding", "")
    headers = {
        "cache-control": "public, max-age=31536000, immutable",
        "vary": "accept-encoding",
        **({"content-encoding": "gzip"} if packed else {}),
    }
    return Response(asset.packed if packed else asset.content, media_type=asset.kind, headers=headers)
