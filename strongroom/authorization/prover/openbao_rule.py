"""One edge of the closure in OpenBao: a request, and what whoever may make it gains.

The rows are `openbao_login_rules` (policies, logins, tokens, identities) and `openbao_rules` (keys, server, databases;
and all together).
"""

from __future__ import annotations

from dataclasses import dataclass

#: What a write takes: the server asks for `create` only where it can tell that nothing is there yet.
WRITE = ("update", "create", "patch")
READ = ("read",)
DELETE = ("delete",)
#: Everything that a server holds.
EVERYTHING = "bao:*"

Gain = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One request and what it gives.

    per: what there is one such request for (`openbao_targets`), whose fields `{mount}`, `{name}`, ... stand in paths,
    gain, needs and by. gain: kind and subject: act (use its tokens), own (its policies or material are what one
    wishes), destroy, and steps on the way. paths: any one of them is enough; `{?}` stands for any one segment, `{*}`
    for all the rest. capabilities: any one; sudo: that one beside. true: parameters that must be true; free: parameters
    whose value is the asker's to choose, of `a|b` one is enough. needs: gains that must have come before. when: only
    for targets with this mark. by: whose tokens alone may ask.
    """

    name: str
    per: str
    gain: Gain
    words: str
    paths: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = WRITE
    sudo: bool = False
    true: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    needs: tuple[Gain, ...] = ()
    when: str = ""
    by: str = ""


def _gain(text: str) -> Gain:
    kind, _, subject = text.partition(" ")
    return kind, subject


def rule(
    name: str,
    per: str,
    gain: str,
    words: str,
    paths: str = "",
    *,
    can: tuple[str, ...] = WRITE,
    sudo: bool = False,
    true: str = "",
    free: str = "",
    needs: str = "",
    when: str = "",
    by: str = "",
) -> Rule:
    """A row of the table: gain and needs as `kind subject`, several needs with commas, several others with blanks."""
    needed = tuple(_gain(need) for need in needs.split(", ") if need)
    lists = tuple(paths.split()), can, sudo, tuple(true.split()), tuple(free.split()), needed
    return Rule(name, per, _gain(gain), words, *lists, when, by)
