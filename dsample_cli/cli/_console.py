"""A console from which only visible text and rich's own styles reach the terminal."""

from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from dsample_cli.core.printable import printable


class _Printable:
    """What another renderable shows, made printable after all else was done with it."""

    def __init__(self, shown: ConsoleRenderable) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._shown, options):
            is_control = segment.control is not None
            yield segment if is_control else Segment(printable(segment.text), segment.style)


class _MakePrintable(RenderHook):
    """Whoever prints may forget to clean what comes from data: this does not."""

    def process_renderables(
        self, renderables: Iterable[ConsoleRenderable]
    ) -> list[ConsoleRenderable]:
        return [_Printable(shown) for shown in renderables]


def safe_console(stream: IO[str], width: int | None) -> Console:
    """A console that neither interprets data as markup nor lets it drive the terminal."""
    console = Console(
        file=stream, markup=False, highlight=False, emoji=False, width=width, soft_wrap=False
    )
    console.push_render_hook(_MakePrintable())
    return console
