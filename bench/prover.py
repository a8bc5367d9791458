"""How long a proof of duties takes, and its second check, as estates grow.

Run: python bench/prover.py [largest number of principals]. Half of the principals are users, half roles; each user may
become one role, each key names its administrator and its users, a third of the keys delegate to the account; every
tenth user is in a group, every role is under a boundary. Nobody breaks a pair, so the whole fixpoint is computed, and
the checker asks again. The promise: 1,000 principals and 200 keys are proved in less than 10 seconds.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from strongroom.authorization import Named
from strongroom.authorization.prover import Ability, Account, Facts, Human, Identity, Key, Pair, Store, prove
from strongroom.authorization.prover.checker import check

SIZES = ((100, 20), (200, 40), (500, 100), (1000, 200), (2000, 400))
PROMISED, PROMISE_S = (1000, 200), 10.0
HOME = "210000000001"
FENCE = Named(
    f"arn:aws:iam::{HOME}:policy/fence",
    json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}),
)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def estate(principals: int, keys: int) -> tuple[Facts, list[Pair]]:
    """Facts of one account in which nobody breaks a pair, and the pairs."""
    count = principals // 2
    users = [f"arn:aws:iam::{HOME}:user/people/u{n}" for n in range(count)]
    roles = [f"arn:aws:iam::{HOME}:role/duties/r{n}" for n in range(count)]
    arns = [f"arn:aws:kms:us-east-1:{HOME}:key/k{n}" for n in range(keys)]
    buckets = [f"arn:aws:s3:::data-{n}" for n in range(keys // 4)]
    group = f"arn:aws:iam::{HOME}:group/readers"
    reading = Named("readers", document(allow("s3:ListAllMyBuckets")))
    identities = [
        Identity(
            arn,
            HOME,
            "user",
            (Named(f"of u{n}", document(allow("sts:AssumeRole", roles[n]))), *([reading] if n % 10 == 0 else [])),
            groups=[group] if n % 10 == 0 else (),
        )
        for n, arn in enumerate(users)
    ]
    for n, arn in enumerate(roles):
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HOME}:root"}, "Action": "sts:AssumeRole"}
        one = {"StringEquals": {"aws:PrincipalArn": users[n]}}
        bucket = buckets[n % len(buckets)]
        own = document(
            allow(["s3:GetObject", "s3:PutObject"], f"{bucket}/r{n}/*"),
            allow("kms:GetPublicKey", arns[n % keys]),
            {"Effect": "Deny", "Action": "iam:*", "Resource": "*"},
        )
        trusting = Named(f"trust of r{n}", document({**trust, "Condition": one}))
        identities.append(Identity(arn, HOME, "role", [Named(f"of r{n}", own)], boundary=FENCE, trust=trusting))

    def key(n: int) -> Key:
        administrators = [role for number, role in enumerate(roles[:8]) if number % 2 == 0]
        workers = [role for number, role in enumerate(roles) if number % 2 and number % keys in (n, n - 1)] or roles[
            1:2
        ]
        statements = [
            allow(["kms:ScheduleKeyDeletion", "kms:DisableKey"], Principal={"AWS": administrators}),
            allow(["kms:Decrypt", "kms:GenerateDataKey"], Principal={"AWS": workers}),
        ]
        if n % 3 == 0:
            statements.append(allow("kms:GetPublicKey", Principal={"AWS": f"arn:aws:iam::{HOME}:root"}))
        return Key(arns[n], HOME, Named(f"policy of k{n}", document(*statements)))

    facts = Facts(
        humans=[Human(f"person {n}", (arn,)) for n, arn in enumerate(users)],
        identities=identities,
        keys=[key(n) for n in range(keys)],
        stores=[Store(arn, HOME, "bucket", key=arns[n], acls=False) for n, arn in enumerate(buckets)],
        accounts=(Account(HOME),),
        groups={group: [reading]},
    )
    destroy = Ability("destroy", ("kms:ScheduleKeyDeletion", "kms:DisableKey"), arns)
    own = Ability("own", ("kms:PutKeyPolicy", "kms:CreateGrant"), arns)
    decrypt = Ability("decrypt", ("kms:Decrypt",), arns)
    erase = Ability("erase", ("s3:DeleteObjectVersion", "s3:PutLifecycleConfiguration"), buckets)
    pairs = [
        Pair("destroy and decrypt", destroy, Ability("use", ("kms:Decrypt",), arns, through=True)),
        Pair("own and decrypt", own, decrypt),
        Pair("destroy and own", destroy, own),
        Pair("erase", erase),
    ]
    return facts, pairs


def main() -> int:
    """Prints the table; 1 if the promise is not kept or an answer is wrong."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1][0]
    kept = True
    print(f"{'principals x keys':>18} {'gains':>8} {'proved in':>10} {'checked in':>11} {'certificate':>12}")
    for principals, keys in (size for size in SIZES if size[0] <= largest):
        facts, pairs = estate(principals, keys)
        start = time.process_time()
        proof = prove(facts, pairs)
        proved = time.process_time() - start
        if proof.certificate is None:
            print(proof.counterexamples[0].words())
            return 1
        text = json.dumps(proof.certificate)
        start = time.process_time()
        wrong = check(facts, pairs, json.loads(text))
        checked = time.process_time() - start
        gains = sum(len(gained) for gained in proof.certificate["gained"].values())
        size = f"{principals} x {keys}"
        print(f"{size:>18} {gains:>8} {proved:>8.2f} s {checked:>9.2f} s {len(text) // 1024:>8} KiB")
        kept &= not wrong and ((principals, keys) != PROMISED or proved < PROMISE_S)
    print(f"promised: {PROMISED[0]} x {PROMISED[1]} proved in < {PROMISE_S:.0f} s; {'kept' if kept else 'NOT KEPT'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
