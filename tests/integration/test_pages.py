# SPDX-License-Identifier: Apache-2.0
"""The pages' files: all there, under a strict policy, with nothing inline. What they do is tested in a
browser (tests/browser)."""
import re

import pytest

from server import SOURCE, Api

FILES = sorted(path.name for path in (SOURCE / "api" / "page").iterdir())
PAGES = {"/": "index.html", "/docs": "docs.html"}
TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}


@pytest.fixture
def stranger(rollcall):
    return Api(rollcall.http, "")


def test_every_file_is_served_as_it_is_without_a_token(stranger):
    for path, name in list(PAGES.items()) + [("/assets/" + n, n) for n in FILES if not n.endswith(".html")]:
        reply = stranger.get(path)
        assert reply.status == 200 and reply.body == (SOURCE / "api" / "page" / name).read_bytes(), path
        suffix = name.rpartition(".")[2]
        assert reply.headers["Content-Type"] == TYPES.get(suffix, "text/html; charset=utf-8")
        assert stranger.get(path, If_None_Match=reply.headers["ETag"]).status == 304
    assert stranger.get("/openapi.yaml").body == (SOURCE / "openapi.yaml").read_bytes()


def test_what_the_pages_name_is_there(stranger):
    for name in FILES:
        text = (SOURCE / "api" / "page" / name).read_text()
        for found in re.findall(r'(?:src|href)="(assets/[^"]+)"', text) + [
                "assets/" + module for module in re.findall(r"from '\./([^']+)'", text)]:
            assert stranger.get("/" + found).status == 200, (name, found)


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.yaml", "/assets/page.js"])
def test_the_policy_allows_nothing_from_elsewhere_and_nothing_inline(stranger, path):
    headers = stranger.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
        "img-src": "'self' data:", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-cache"


def test_nothing_is_inline_and_no_text_becomes_markup():
    for name in FILES:
        text = (SOURCE / "api" / "page" / name).read_text()
        if name.endswith(".html"):
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)|javascript:", text), name
        if name.endswith(".js"):
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), name
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), "%s goes elsewhere" % name
