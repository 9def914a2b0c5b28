"""What pages and pictures are made of."""

import struct
from html.parser import HTMLParser

VOID = {"meta", "img", "link", "br"}


class Page(HTMLParser):
    """Collects the elements, the text and the balance of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def attributes(self, tag: str, name: str, value: str) -> dict[str, str | None]:
        """Those of the one element with this tag and attribute."""
        found = [a for t, a in self.elements if t == tag and a.get(name) == value]
        assert len(found) == 1
        return found[0]


def fetches_nothing(html: str) -> None:
    """Check that a page has all it needs in itself."""
    for tag, attributes in Page(html).elements:
        assert tag not in {"link", "iframe", "object", "form", "base", "a"}
        assert attributes.get("src", "data:").startswith("data:")
    assert "url(" not in html
    assert "http" not in html.replace("http-equiv", "")


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height of a whole PNG file."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.endswith(b"IEND\xaeB`\x82")
    return struct.unpack(">II", png[16:24])
