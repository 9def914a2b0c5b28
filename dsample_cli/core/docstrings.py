"""Read the docstrings of strategies: what users are told about them is what the code says.

A docstring is a summary in one line, the formula, and sections such as `When:`, `Risk:` and
`Args:`, whose text stands beside the heading or indented below it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_HEADING = re.compile(r"^([A-Z]\w*):(?=\s)", re.MULTILINE)
_ARGUMENT = re.compile(r"^    (\w+):\s", re.MULTILINE)


@dataclass(frozen=True)
class Docstring:
    """A docstring in its parts; line breaks are spaces.

    Attributes:
        summary: Its first paragraph.
        formula: What follows before the first section; empty when nothing does.
        sections: Heading -> text.
        arguments: Parameter -> its description.
    """

    summary: str
    formula: str
    sections: Mapping[str, str]
    arguments: Mapping[str, str]


def parse_docstring(text: str) -> Docstring:
    """Take a docstring apart.

    Args:
        text: Without the indentation that all its lines share, see `inspect.cleandoc`.

    Examples:
        >>> doc = parse_docstring('''Square a number.
        ...
        ... y = x^2
        ...
        ... When: Areas
        ...     and energies.
        ...
        ... Args:
        ...     x: A number.
        ... ''')
        >>> doc.summary, doc.formula, doc.sections["When"], doc.arguments
        ('Square a number.', 'y = x^2', 'Areas and energies.', {'x': 'A number.'})
    """
    start, *rest = _HEADING.split(text)
    summary, _, formula = start.partition("\n\n")
    sections = dict(zip(rest[0::2], rest[1::2], strict=True))
    _, *arguments = _ARGUMENT.split(sections.get("Args", ""))
    return Docstring(
        _on_one_line(summary),
        _on_one_line(formula),
        {heading: _on_one_line(body) for heading, body in sections.items()},
        {
            name: _on_one_line(body)
            for name, body in zip(arguments[0::2], arguments[1::2], strict=True)
        },
    )


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
