"""The report as one page of HTML that loads nothing: plots and pictures are in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Final

from markdown_it import MarkdownIt

from benchmarks.results.gallery import data_uri

_STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto;
  max-width: 78rem; padding: 0 1rem 4rem; }
h2 { border-top: 1px solid #ccc; margin-top: 3rem; padding-top: 1rem; }
nav ul { columns: 3 14rem; padding-left: 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .2rem .6rem; text-align: left; vertical-align: top; }
th { position: sticky; top: 0; background: #f4f4f4; }
td strong { background: #fff3c4; }
p img { max-width: 100%; height: auto; }
.grid { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; max-width: 22rem; }
figure img { margin-right: .3rem; vertical-align: top; }
figcaption { font-size: 12px; overflow-wrap: anywhere; max-width: 22rem; }
"""
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<nav aria-label="Contents"><ul>
{contents}
</ul></nav>
<main>
{body}
</main>
</body>
</html>
"""


def make_page(title: str, markdown: str, plots: Mapping[str, bytes], galleries: Mapping[str, str]) -> str:
    """A page that stands alone.

    Parameters
    ----------
    title : str
    markdown : str
        Its pictures lie in ``plots/``.
    plots : mapping of str to bytes
        These pictures, SVG.
    galleries : mapping of str to str
        HTML that follows the text, by its heading.
    """
    parser = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table")
    tokens = parser.parse(markdown)
    headings: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        for child in token.children or []:
            if child.type == "image":
                name = str(child.attrGet("src")).removeprefix("plots/")
                child.attrSet("src", data_uri(plots[name], "image/svg+xml"))
        if before is not None and before.type == "heading_open" and before.tag == "h2":
            before.attrSet("id", _anchor(token.content))
            headings.append(token.content)
    body = parser.renderer.render(tokens, parser.options, {})
    # Only the renderer writes this: what stands in the text is escaped.
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    for heading, html in galleries.items():
        body += f'<h2 id="{_anchor(heading)}">{escape(heading)}</h2>\n{html}\n'
    contents = "\n".join(
        f'<li><a href="#{_anchor(heading)}">{escape(heading)}</a></li>' for heading in [*headings, *galleries]
    )
    return _PAGE.format(title=escape(title), style=_STYLE, contents=contents, body=body)


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
