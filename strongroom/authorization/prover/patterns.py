"""Two ARN patterns compared: can one text match both, does everything that matches one match the other.

Both answers err on the side of more permission: `overlap` may say yes too often, `covers` no.
"""

from __future__ import annotations

from functools import lru_cache

from strongroom.authorization.matching import ARN_SEGMENTS


@lru_cache(maxsize=65536)
def overlap(first: str, second: str) -> bool:
    """Whether some text may match both patterns; `*` runs over colons here, `${...}` is any text."""
    first, second = _open(first), _open(second)
    for mine, theirs in zip(first, second, strict=False):
        if "*" in (mine, theirs):
            break
        if mine != theirs and "?" not in (mine, theirs):
            return False
    else:
        # no star so far: the rest of the longer one has to be stars
        return not (first[len(second) :] or second[len(first) :]).strip("*")
    # reachable[j]: what of `first` was read so far and `second[:j]` have a text in common
    reachable = [True] + [False] * len(second)
    for j, letter in enumerate(second):
        reachable[j + 1] = reachable[j] and letter == "*"
    for mine in first:
        row = [reachable[0] and mine == "*"]
        for j, theirs in enumerate(second):
            if "*" in (mine, theirs):
                row.append(row[j] or reachable[j + 1] or reachable[j])
            else:
                row.append(reachable[j] and (mine == theirs or "?" in (mine, theirs)))
        reachable = row
    return reachable[-1]


@lru_cache(maxsize=65536)
def covers(wide: str, narrow: str) -> bool:
    """Whether every ARN that matches `narrow` surely matches `wide`, compared segment by segment."""
    if wide == "*":
        return True
    if "${" in wide or narrow == "*":
        return False
    mine, theirs = wide.split(":", ARN_SEGMENTS - 1), narrow.split(":", ARN_SEGMENTS - 1)
    if len(mine) < ARN_SEGMENTS or len(theirs) < ARN_SEGMENTS:
        return wide == narrow
    return all(_covers(one, other) for one, other in zip(mine, theirs, strict=True))


def _covers(wide: str, narrow: str) -> bool:
    """`narrow` read as a text in which its own wildcards are letters that only a wildcard matches."""
    ends = {0}
    for letter in wide:
        if letter == "*":
            ends = set(range(min(ends, default=len(narrow) + 1), len(narrow) + 1))
        else:
            ends = {
                end + 1
                for end in ends
                if end < len(narrow) and (narrow[end] == letter or (letter == "?" and narrow[end] != "*"))
            }
    return len(narrow) in ends


def _open(pattern: str) -> str:
    """The pattern with every variable replaced by `*`."""
    pieces = pattern.split("${")
    return pieces[0] + "".join(f"*{piece.partition('}')[2]}" for piece in pieces[1:])
