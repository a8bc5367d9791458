"""IAM patterns: `*` is any run of characters, `?` is one, and `${*}`, `${?}`, `${$}` are those characters themselves.

Everything compiled here is cached by pattern text. Wildcard runs become atomic groups, so a hostile pattern such as
`*a*a*a*a*` costs a scan and never a backtracking search.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

Matcher = Callable[[str], bool]

#: An ARN is `arn:partition:service:region:account:resource`; only the resource may itself hold colons.
ARN_SEGMENTS = 6
_TOKEN = re.compile(r"\$\{[*?$]\}|[*?]")
_ESCAPES = {"*": "${*}", "?": "${?}", "$": "${$}"}
_ESCAPED = re.compile(r"[*?$]")


def escape(value: str) -> str:
    """The pattern that matches exactly `value`."""
    return _ESCAPED.sub(lambda found: _ESCAPES[found.group()], value)


def literal(pattern: str) -> str:
    """The text of a pattern where wildcards have no meaning (StringEquals): only the `${*}` forms are replaced."""
    if "${" not in pattern:
        return pattern
    return _TOKEN.sub(lambda found: found.group()[2] if len(found.group()) > 1 else found.group(), pattern)


def _expression(pattern: str, *, run: str, one: str) -> str:
    """The regular expression of a pattern, with a possessive group for each `*` and what follows it."""
    pieces: list[str] = [""]
    position = 0
    for found in _TOKEN.finditer(pattern):
        pieces[-1] += re.escape(pattern[position : found.start()])
        position = found.end()
        token = found.group()
        if token == "*":  # noqa: S105 - a wildcard, not a password
            pieces.append("")
        elif token == "?":  # noqa: S105
            pieces[-1] += one
        else:
            pieces[-1] += re.escape(token[2])
    pieces[-1] += re.escape(pattern[position:])
    if len(pieces) == 1:
        return pieces[0]
    head, *middle, tail = pieces
    # the leftmost match of each middle piece leaves the most for the rest, so going back can never help
    return head + "".join(f"(?>{run}?{piece})" for piece in middle if piece) + f"{run}{tail}"


@lru_cache(maxsize=16384)
def glob(pattern: str, fold: bool = False) -> Matcher:
    """A matcher of whole strings; `fold` ignores case (actions)."""
    if fold:
        pattern = pattern.lower()
    if not _TOKEN.search(pattern):
        return (lambda value: value.lower() == pattern) if fold else pattern.__eq__
    expression = re.compile(_expression(pattern, run=".*", one="."), re.DOTALL | (re.IGNORECASE if fold else 0))
    full = expression.fullmatch
    return lambda value: full(value) is not None


def arn_expression(pattern: str, *, run_on: bool = False) -> str:
    """The regular expression of an ARN pattern; a wildcard stays within its colon-separated segment, save in the last.

    run_on: a `*` that ends a segment may also match beyond the colon, as Resource elements do and ArnLike does not.
    Missing segments stand for `*` (IAM user guide, "IAM JSON policy elements: Resource" and "IAM identifiers").
    """
    segments = pattern.split(":", ARN_SEGMENTS - 1)
    segments += ["*"] * (ARN_SEGMENTS - len(segments))
    heads: list[str] = []
    for segment in segments[:-1]:
        ends_open = run_on and segment.endswith("*")
        head = _expression(segment[:-1] if ends_open else segment, run="[^:]*", one="[^:]")
        heads.append(f"{head}.*?" if ends_open else head)
    return ":".join([*heads, _expression(segments[-1], run=".*", one=".")])


@lru_cache(maxsize=16384)
def arn(pattern: str) -> Matcher:
    """A matcher of ARNs by segment (ArnLike, ArnEquals)."""
    full = re.compile(arn_expression(pattern), re.DOTALL).fullmatch
    return lambda value: full(value) is not None


#: From so many colons on, a value is matched state by state: each star that runs on could stop at any of them.
_MANY = 12
_ANY, _WITHIN = "any run", "run within a segment"


def _steps(pattern: str) -> list[tuple[str, str]]:
    """A Resource pattern as steps: a letter, one of any letter, one within the segment, or a run of either kind."""
    segments = pattern.split(":", ARN_SEGMENTS - 1)
    segments += ["*"] * (ARN_SEGMENTS - len(segments))
    steps: list[tuple[str, str]] = []
    for index, segment in enumerate(segments):
        last = index == ARN_SEGMENTS - 1
        for found in re.finditer(r"\$\{[*?$]\}|.", segment, re.DOTALL):
            token, ends = found.group(), found.end() == len(segment)
            if token == "*":  # noqa: S105 - a wildcard, not a password
                steps.append((_ANY if last or ends else _WITHIN, ""))
            elif token == "?":  # noqa: S105
                steps.append(("one" if last else "one within", ""))
            else:
                steps.append(("letter", token[2] if len(token) > 1 else token))
        if not last:
            steps.append(("letter", ":"))
    return steps


def _walk(steps: list[tuple[str, str]], value: str) -> bool:
    """True if the steps lead through the whole value, at a cost of the product of their lengths."""

    def reach(states: set[int]) -> set[int]:
        for state in sorted(states):
            while state < len(steps) and steps[state][0] in (_ANY, _WITHIN):
                state += 1
                states.add(state)
        return states

    states = reach({0})
    for letter in value:
        onward: set[int] = set()
        for state in states - {len(steps)}:
            kind, wanted = steps[state]
            if letter == ":" and kind in (_WITHIN, "one within"):
                continue
            if kind in (_ANY, _WITHIN):
                onward.add(state)
            elif kind != "letter" or letter == wanted:
                onward.add(state + 1)
        states = reach(onward)
    return len(steps) in states


@lru_cache(maxsize=16384)
def resources(patterns: tuple[str, ...]) -> Matcher:
    """A matcher of ARNs that at least one of several Resource patterns covers, as one expression."""
    expressions = (arn_expression(pattern, run_on=True) for pattern in patterns)
    full = re.compile("|".join(f"(?:{expression})" for expression in expressions), re.DOTALL).fullmatch
    steps = [_steps(pattern) for pattern in patterns]
    return lambda value: (
        full(value) is not None if value.count(":") < _MANY else any(_walk(each, value) for each in steps)
    )
