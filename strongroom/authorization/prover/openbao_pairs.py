"""The pairs of abilities that nobody may hold together, for OpenBao: what each duty may never do there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strongroom.authorization.prover.duties import Ability, Pair
from strongroom.authorization.prover.pairs import OPENERS

_UPDATE = ("bao:update",)
_RESTORE = ("bao:sys/storage/raft/snapshot", "bao:sys/storage/raft/snapshot-force")


def bao_pairs_of(
    keys: Mapping[str, tuple[str, str]],
    holders: Mapping[str, Sequence[str]],
    *,
    logins: Sequence[str] = (),
    credentials: Mapping[str, str] | None = None,
    audits: Sequence[str] = (),
) -> list[Pair]:
    """The pairs over transit keys (name -> purpose and `<mount>/<name>`) and the humans who hold each duty.

    logins: duties with an AppRole and a policy of their own name. credentials: path of a database's credentials (for
    example `database/creds/portal.application`) -> the duty that may take them. audits: audit devices by name.
    """
    places = {name: ref.rpartition("/")[::2] for name, (_, ref) in keys.items()}
    itself = [f"bao:{mount}/keys/{key}" for mount, key in places.values()]

    def on(operations: Sequence[str], *purposes: str) -> list[str]:
        chosen = [places[name] for name, (purpose, _) in keys.items() if not purposes or purpose in purposes]
        return [f"bao:{mount}/{operation}/{key}" for operation in operations for mount, key in chosen]

    use = Ability("use", _UPDATE, on(["decrypt", "encrypt", "datakey/plaintext"]))
    decrypt = Ability("decrypt", _UPDATE, on(["decrypt"]))
    rotate = [f"{subject}/rotate" for subject in itself] + on(["rewrap"])
    subjects = [f"bao:{kind}/{duty}" for kind in ("policy", "auth/approle/role") for duty in (*logins, "deployer")]
    own = Ability("own the policies", ("bao:own",), subjects)
    destroy = Ability("destroy", ("bao:destroy",), itself)
    audit = Ability("audit", ("bao:list",), ("bao:auth/token/accessors",))
    found = [
        Pair("destroy OpenBao keys and use them", destroy, use),
        Pair("destroy OpenBao keys and change who may use them", destroy, own),
        Pair("own OpenBao policies and decrypt", own, decrypt),
        Pair("rotate OpenBao keys and decrypt", Ability("rotate", _UPDATE, rotate), decrypt),
        Pair("put back a state of OpenBao and use its keys", Ability("restore", _UPDATE, _RESTORE), use),
        Pair("audit OpenBao and use keys", audit, use),
        Pair("audit OpenBao and change policies", audit, own),
        Pair("audit OpenBao and destroy keys", audit, destroy),
    ]
    if wraps := on(["encrypt", "datakey/plaintext"], "recipient"):
        opens = Ability("open", _UPDATE, on(["decrypt"], "recipient"))
        found.append(Pair("write backups and open them with OpenBao", Ability("wrap", _UPDATE, wraps), opens))
    if audits:
        blind = Ability("switch off", ("bao:blind",), [f"bao:sys/audit/{name}" for name in audits])
        found.append(Pair("switch OpenBao's audit off and use keys", blind, use))
    for name, (purpose, _) in sorted(keys.items()):
        if purpose in OPENERS:
            allowed = [human for duty in OPENERS[purpose] for human in holders.get(duty, ())]
            mount, key = places[name]
            opening = Ability("open", _UPDATE, [f"bao:{mount}/decrypt/{key}"])
            found.append(Pair(f"open {name} without its duty", opening, holders=allowed))
    for duty in logins:
        become = Ability("log in", ("bao:act",), [f"bao:auth/approle/role/{duty}"])
        found.append(
            Pair(f"log in to OpenBao as {duty} without the duty", become, holders=tuple(holders.get(duty, ())))
        )
    for path, duty in sorted((credentials or {}).items()):
        take = Ability("take", ("bao:read",), [f"bao:{path}"])
        found.append(Pair(f"take {path} without its duty", take, holders=tuple(holders.get(duty, ()))))
    return found
