"""Pages that a browser is shown: `/`, where its people work, `/docs` and `/redoc`. All comes from this service itself.

FastAPI's own pages take their scripts from elsewhere and have one in the page. Here the files are those of the package
fastapi-offline, and the browser is told to load nothing else.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from fedtrain.spec.problems import Code, Problem

#: No script or style within the page, none from elsewhere, no frame around it.
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_SCRIPT = "text/javascript; charset=utf-8"
_ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": _SCRIPT,
    "redoc.standalone.js": _SCRIPT,
}
#: Redoc shows its maker's logo, from elsewhere, and nothing in its place where that can't be loaded.
_ELSEWHERE, _NO_PICTURE = b"https://cdn.redoc.ly/redoc/logo-mini.svg", b"data:,"
#: It writes its styles into the page, which the policy lets only what knows the page's nonce, and searches in a worker
#: that it makes of a text, which the policy does not let it.
_START_REDOC = """\
const { nonce } = document.currentScript;
const create = document.createElement.bind(document);
document.createElement = (name, options) => {
  const element = create(name, options);
  if (name === "style") element.setAttribute("nonce", nonce);
  return element;
};
window.addEventListener("load", () => {
  Redoc.init("openapi.json", { disableSearch: true }, document.getElementById("redoc"));
});
"""
_START = """\
window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    validatorUrl: "none",
  });
});
"""
_STARTS = {"start.js": _START, "start-redoc.js": _START_REDOC}
PATHS = frozenset({"/", "/docs", "/redoc", *(f"/docs/{name}" for name in (*_STARTS, *_ASSETS))})


def routes(title: str, about: Mapping[str, str], document: bytes) -> APIRouter:
    """Return the routes of the pages. A program is told `about` at `/`: name, version, …; a browser gets `document`."""
    router = APIRouter(include_in_schema=False)
    shown = {"title": title, **about, "docs": "/docs", "openapi": "/openapi.json", "problems": "/problems"}

    @router.get("/")
    async def index(request: Request) -> Response:
        headers = {**PAGE_HEADERS, "Vary": "Accept"}
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(document, headers={**headers, "Cache-Control": "no-cache"})
        return JSONResponse(shown, headers=headers)

    @router.get("/docs")
    async def docs() -> Response:
        body = '<div id="swagger-ui"></div><script src="docs/swagger-ui-bundle.js"></script>'
        style = '<link rel="stylesheet" href="docs/swagger-ui.css">'
        page = _page(title, f'{body}<script src="docs/start.js"></script>', style)
        return HTMLResponse(page, headers=PAGE_HEADERS)

    @router.get("/redoc")
    async def redoc() -> Response:
        nonce = secrets.token_urlsafe(16)
        body = f'<div id="redoc"></div><script src="docs/start-redoc.js" nonce="{nonce}"></script>'
        page = _page(title, f'{body}<script src="docs/redoc.standalone.js"></script>')
        policy = PAGE_HEADERS["Content-Security-Policy"].replace(
            "style-src 'self'", f"style-src 'self' 'nonce-{nonce}'"
        )
        return HTMLResponse(page, headers={**PAGE_HEADERS, "Content-Security-Policy": policy})

    @router.get("/docs/{name}")
    def asset(name: str) -> Response:
        if name in _STARTS:
            return Response(_STARTS[name], media_type=_SCRIPT, headers=PAGE_HEADERS)
        if name not in _ASSETS:
            raise Problem(Code.NOT_FOUND, f"There is nothing at /docs/{name[:100]}.")
        return Response(_asset(name), media_type=_ASSETS[name], headers=PAGE_HEADERS)

    return router


@cache
def _asset(name: str) -> bytes:
    return (files("fastapi_offline") / "static" / name).read_bytes().replace(_ELSEWHERE, _NO_PICTURE)


def _page(title: str, body: str, head: str = "") -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width">{head}</head><body>{body}</body></html>'
    )
