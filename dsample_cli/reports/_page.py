"""Style, script and frame of the pages: nothing in it is fetched from anywhere."""

import base64
import hashlib
from html import escape

from dsample_cli.reports._files import Target, write_whole
from dsample_cli.reports._markup import safe

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fbfbfc; --card: #ffffff; --ink: #1b1f24; --faint: #5b6470; --line: #e1e5ea;
  --accent: #0b5cad; --bar: #9cc3ea; --notice: #fff6dd; --notice-line: #d9a514; --kept: #eef5fc;
  --error: #b42318; --warning: #8a5a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1c2024; --ink: #e7eaee; --faint: #a0a9b4; --line: #31373e;
    --accent: #7db8f5; --bar: #34618f; --notice: #2f2810; --notice-line: #c99a1a; --kept: #1d2a38;
    --error: #ff8a80; --warning: #e3b341;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans",
    "Noto Sans CJK KR", "Malgun Gothic", sans-serif;
}
main { max-width: 66rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
h1, h2, h3 { line-height: 1.25; font-weight: 650; text-wrap: balance; }
h1 { margin: 0 0 .5rem; font-size: 1.9rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { margin: 0 0 .5rem; font-size: 1.3rem; }
h3 { margin: 2rem 0 .6rem; font-size: 1rem; }
section { margin-top: 4rem; }
p { margin: 0 0 1rem; max-width: 48rem; text-wrap: pretty; }
.eyebrow { margin: 0 0 .35rem; color: var(--faint); font-size: .875rem; }
.facts {
  display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; margin: 1.25rem 0 0;
}
.facts dt, .tile-name { color: var(--faint); font-size: .8125rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.lead { color: var(--faint); }
.notice {
  margin-top: 2.25rem; padding: 1rem 1.25rem; background: var(--notice);
  border-left: 4px solid var(--notice-line); border-radius: 4px;
}
.notice h2 { font-size: 1rem; }
.notice > :last-child { margin-bottom: 0; }
.notice ul { margin: 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.option, .hash { white-space: nowrap; }
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); gap: 1rem;
  margin: 1.25rem 0 2rem;
}
.tile {
  padding: 1.1rem 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px;
}
.tile p { margin: 0; }
.tile-value { font-size: 2.1rem; font-weight: 650; line-height: 1.25; letter-spacing: -.02em; }
.tile-note { color: var(--faint); font-size: .8125rem; }
.scroll {
  overflow: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
}
.tall { max-height: 38rem; }
.scroll:focus-visible, button:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px;
}
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .5rem .9rem; text-align: left; vertical-align: baseline; }
.dense th, .dense td { padding: .5rem .55rem; }
thead th {
  position: sticky; top: 0; z-index: 1; background: var(--card); color: var(--faint);
  font-size: .8125rem; font-weight: 550; white-space: nowrap; vertical-align: bottom;
  box-shadow: inset 0 -1px var(--line);
}
thead th.number { white-space: normal; }
tbody th { font-weight: 450; }
/* As wide as the name, up to a limit: a plain wrapping cell is squeezed to its shortest. */
tbody bdi { display: block; width: max-content; max-width: 16rem; overflow-wrap: anywhere; }
tbody .number bdi { margin-left: auto; }
/* Prose in a cell is as wide as it likes, but not squeezed to a column of single words. */
td.text { min-width: 14rem; overflow-wrap: anywhere; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tr.kept > * { background: var(--kept); }
.number { text-align: right; white-space: nowrap; }
.number, .tile-value { font-variant-numeric: tabular-nums; }
.range {
  display: inline-block; width: 7.6rem; padding-left: .8rem; text-align: right;
  color: var(--faint); font-size: .8125rem;
}
.spread { color: var(--faint); font-size: .8125rem; }
.bar {
  display: inline-block; width: 4.5rem; height: .55rem; margin-left: .7rem; border-radius: 3px;
  background: var(--line); overflow: hidden;
}
.bar > span { display: block; height: 100%; background: var(--bar); }
th button {
  all: unset; cursor: pointer; padding: .15rem 0; border-radius: 3px;
}
th button:hover { color: var(--ink); }
th button::after { content: "\\2195"; margin-left: .35em; opacity: .45; }
th[aria-sort="ascending"] button::after { content: "\\2191"; opacity: 1; }
th[aria-sort="descending"] button::after { content: "\\2193"; opacity: 1; }
.finding + .finding { margin-top: 2rem; }
.finding p { margin-bottom: .6rem; overflow-wrap: anywhere; }
.severity {
  margin-right: .35rem; padding: .1rem .5rem; border: 1px solid currentColor; border-radius: 1rem;
  font-size: .8125rem; font-weight: 550; color: var(--faint);
}
.severity.error { color: var(--error); }
.severity.warning { color: var(--warning); }
summary { cursor: pointer; width: fit-content; color: var(--accent); font-size: .9rem; }
details[open] > summary { margin-bottom: .6rem; }
details > p, .example-head { color: var(--faint); font-size: .875rem; }
.examples {
  margin: 0 0 .75rem; padding: 0; list-style: none; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px;
}
.examples li { padding: .65rem 1rem; }
.examples li + li { border-top: 1px solid var(--line); }
.examples p { margin: 0; }
.suggestion + .suggestion { margin-top: 1.5rem; }
.suggestion pre { margin-bottom: .5rem; }
figure { margin: 1.25rem 0 2rem; }
.picture {
  overflow-x: auto; padding: 1rem; background: #fff; border: 1px solid var(--line);
  border-radius: 10px; text-align: center;
}
.picture img { max-width: 100%; height: auto; vertical-align: top; }
figcaption {
  margin-top: .6rem; max-width: 48rem; color: var(--faint); font-size: .875rem; text-wrap: pretty;
}
pre {
  margin: 0; padding: 1rem 1.25rem; overflow-x: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px;
}
/* A line breaks between arguments, not after the dashes of one. */
pre span { display: inline-block; max-width: 100%; }
pre, code, .value { font: .875rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.value { overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  main { padding: 1.75rem 1rem 3rem; }
  section { margin-top: 3rem; }
  h1 { font-size: 1.5rem; }
  th, td { padding: .45rem .7rem; }
  tbody bdi { max-width: 10.5rem; }
  .range { display: block; width: auto; padding: 0; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; }
  .tile { padding: .8rem 1rem; }
  .tile-value { font-size: 1.5rem; }
  td.text { min-width: 9rem; }
  .picture { padding: .5rem; }
  .picture img { max-width: max(100%, 30rem); }
  .picture img.large { max-width: max(100%, 60rem); }
}
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --ink: #000; --faint: #444; --line: #ccc; --bar: #8ab4de;
    --notice: #fff; --kept: #fff;
  }
  body { font-size: 10.5pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  section { margin-top: 2rem; }
  .scroll, .tall { overflow: visible; max-height: none; }
  thead th { position: static; }
  tr.kept th::after { content: " (kept)"; }
  tr, figure, .tile, pre { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  th button::after { content: none; }
}
"""

# Each head of a table.sortable becomes a button. Cells carry what they sort by in data-value; an
# empty one, which stands for "unknown", goes last either way. Numbers start at the largest.
SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  heads.forEach((head, column) => {
    const isNumber = head.classList.contains("number");
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const up = now === null ? !isNumber : now !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value;
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = isNumber ? x - y : compare(x, y);
        return up ? order : -order;
      });
      body.append(...rows);
    });
  });
}
"""


def script_hash(script: str) -> str:
    """Return the Content-Security-Policy source that allows exactly this inline script.

    Examples:
        >>> script_hash("")
        'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def content_security_policy() -> str:
    """Allow the page its own style, script and embedded pictures, and nothing else."""
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src '{script_hash(SCRIPT)}'; base-uri 'none'; form-action 'none'"
    )


def write_page(target: Target, html: str) -> None:
    """Write a page, whole or not at all."""
    # A surrogate, which a broken file name can bring in, has no UTF-8 form.
    write_whole(target, lambda file: file.write(html.encode("utf-8", errors="replace")))


def page(title: str, body: str) -> str:
    """Frame a page.

    Args:
        title: Plain text.
        body: HTML, already escaped.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(content_security_policy())}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{safe(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""
