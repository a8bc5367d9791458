"""Seeded requests with all the policies that apply to them: the questions put to two evaluators.

One JSON object a line: principal, action, resource, resource_account, context, and the policies by kind. regenerate.md
says how to run it and how the answers are made.
"""

from __future__ import annotations

import base64
import json
import random
import sys
from pathlib import Path
from typing import Any

import zstandard

SEED = 20260301
COUNT = 24_000
HOME, OTHER = "210000000001", "210000000002"
KEY_ID = "0f1c2d3e-4b5a-6978-8796-a5b4c3d2e1f0"

SERVICES: dict[str, tuple[list[str], list[str]]] = {
    "s3": (
        ["GetObject", "GetObjectVersion", "PutObject", "PutObjectRetention", "DeleteObjectVersion"],
        [
            "arn:aws:s3:::strongroom-dev-images/records/scan-7.dcm",
            "arn:aws:s3:::strongroom-dev-backup/packs/a/1:2.pack",
        ],
    ),
    "kms": (
        ["Decrypt", "Encrypt", "GenerateDataKey", "CreateGrant", "ScheduleKeyDeletion", "PutKeyPolicy"],
        [f"arn:aws:kms:us-east-1:%s:key/{KEY_ID}"],
    ),
    "sts": (["AssumeRole"], ["arn:aws:iam::%s:role/strongroom/dev/restorer"]),
    "sqs": (["SendMessage", "ReceiveMessage", "PurgeQueue"], ["arn:aws:sqs:us-east-1:%s:strongroom-dev-notices"]),
    "sns": (["Publish", "Subscribe"], ["arn:aws:sns:us-east-1:%s:strongroom-dev-alarms"]),
    "secretsmanager": (["GetSecretValue"], ["arn:aws:secretsmanager:us-east-1:%s:secret:records/portal-x1Y2z3"]),
    "dynamodb": (["GetItem", "PutItem", "DeleteItem"], ["arn:aws:dynamodb:us-east-1:%s:table/records"]),
    "backup": (["StartRestoreJob", "DeleteRecoveryPoint"], ["arn:aws:backup:us-west-2:%s:backup-vault:vaulted"]),
    "logs": (["PutLogEvents"], ["arn:aws:logs:us-east-1:%s:log-group:/jobs/records:log-stream:run-1"]),
    "ec2": (["DescribeInstances", "DescribeVpcs"], ["*"]),
}

#: family -> (keys with one value, keys with several, possible values)
KEYS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "String": (
        ["aws:PrincipalTag/team", "s3:prefix", "kms:EncryptionContext:tenant", "sts:ExternalId", "aws:RequestedRegion"],
        ["aws:TagKeys", "aws:CalledVia", "kms:EncryptionContextKeys", "aws:PrincipalOrgPaths"],
        ["records", "Records", "imaging", "us-east-1", "us-west-2", "a*c", "records/2026", "o-1/r-2/ou-3/", "b"],
    ),
    "Arn": (
        ["aws:SourceArn", "aws:SourceVpcArn"],
        ["logs:LogGeneratingResourceArns"],
        [
            "arn:aws:s3:::strongroom-dev-images",
            f"arn:aws:iam::{HOME}:role/strongroom/dev/rotator",
            f"arn:aws:iam::{OTHER}:role/strongroom/dev/copier",
            f"arn:aws:backup:us-west-2:{OTHER}:recovery-point:aa:bb",
            f"arn:aws:sns:us-east-1:{HOME}:strongroom-dev-alarms",
        ],
    ),
    "Numeric": (
        ["s3:max-keys", "aws:MultiFactorAuthAge", "kms:ScheduleKeyDeletionPendingWindowInDays"],
        ["rds:Sizes"],
        ["0", "7", "30", "30.5", "-4", "3600", "1000"],
    ),
    "Date": (
        ["aws:CurrentTime", "aws:TokenIssueTime", "s3:object-lock-retain-until-date"],
        ["backup:Dates"],
        [
            "2026-03-01T10:00:00Z",
            "2026-03-01T12:00:00+02:00",
            "2026-03-01",
            "2026-02",
            "2025-12-31T23:59:59.5Z",
            "2027-01-01T00:00Z",
        ],
    ),
    "Bool": (
        ["aws:SecureTransport", "aws:MultiFactorAuthPresent", "kms:GrantIsForAWSResource", "aws:ViaAWSService"],
        ["ecs:Flags"],
        ["true", "false"],
    ),
    "Binary": (
        ["kms:RecipientAttestation:Image", "lambda:Digest"],
        ["ssm:Digests"],
        [base64.b64encode(value).decode() for value in (b"one", b"two", bytes(32))],
    ),
    "Ip": (
        ["aws:SourceIp", "aws:VpcSourceIp"],
        ["es:Addresses"],
        ["203.0.113.7", "203.0.113.200", "10.1.2.3", "2001:db8::1", "2001:db8:1::9"],
    ),
}
OPERATORS: dict[str, list[str]] = {
    "String": ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"]
    + ["StringLike", "StringNotLike"] * 2,
    "Arn": ["ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"],
    "Numeric": [f"Numeric{word}" for word in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan")]
    + ["NumericGreaterThanEquals"],
    "Date": [f"Date{word}" for word in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan")]
    + ["DateGreaterThanEquals"],
    "Bool": ["Bool"],
    "Binary": ["BinaryEquals"],
    "Ip": ["IpAddress", "NotIpAddress"],
}
RANGES = [
    "203.0.113.0/24",
    "203.0.113.7",
    "10.0.0.0/8",
    "2001:db8::/32",
    "2001:db8::1",
    "198.51.100.0/24",
    "128.0.0.0/1",
]


class Maker:
    """Makes cases from one seed; every choice is biased so that about half of the requests are allowed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def likely(self, probability: float) -> bool:
        return self.random.random() < probability

    def case(self) -> dict[str, Any]:
        """One request and its policies."""
        service = self.random.choice(list(SERVICES))
        actions, resources = SERVICES[service]
        principal = self.principal()
        owner = principal["account"] or HOME
        if self.likely(0.3):
            owner = OTHER if owner == HOME else HOME
        resource = self.random.choice(resources)
        if resource == "*":
            owner = principal["account"] or HOME
        request = {
            "principal": principal,
            "action": f"{service}:{self.random.choice(actions)}",
            "resource": resource % owner if "%s" in resource else resource,
            "resource_account": owner,
            "context": self.context(principal, owner),
        }
        return {**request, "policies": self.policies(request, service)}

    def principal(self) -> dict[str, Any]:
        kind = self.random.choices(
            ["user", "role-session", "federated-user", "service", "anonymous"], [38, 40, 9, 9, 4]
        )[0]
        account = self.random.choice([HOME, HOME, OTHER])
        if kind == "user":
            arn = f"arn:aws:iam::{account}:user/strongroom/{self.random.choice(['runner', 'deployer'])}"
            return {"kind": kind, "arn": arn, "account": account, "role_arn": ""}
        if kind == "role-session":
            role = self.random.choice(["rotator", "restorer"])
            return {
                "kind": kind,
                "arn": f"arn:aws:sts::{account}:assumed-role/{role}/{self.random.choice(['run-1', 'run-2'])}",
                "account": account,
                "role_arn": f"arn:aws:iam::{account}:role/strongroom/dev/{role}",
            }
        if kind == "federated-user":
            return {
                "kind": kind,
                "arn": f"arn:aws:sts::{account}:federated-user/runner",
                "account": account,
                "role_arn": "",
            }
        if kind == "service":
            arn = self.random.choice(["backup.amazonaws.com", "s3.amazonaws.com"])
            return {"kind": kind, "arn": arn, "account": "", "role_arn": ""}
        return {"kind": kind, "arn": "*", "account": "", "role_arn": ""}

    def context(self, principal: dict[str, Any], owner: str) -> dict[str, Any]:
        keys: dict[str, Any] = {"aws:ResourceAccount": owner}
        for single, several, values in KEYS.values():
            for key in single:
                if self.likely(0.8):
                    keys[key] = self.random.choice(values)
            for key in several:
                if self.likely(0.8):
                    keys[key] = self.random.sample(values, self.random.randint(1, min(3, len(values))))
        kind = principal["kind"]
        keys["aws:PrincipalIsAWSService"] = "true" if kind == "service" else "false"
        if kind == "service":
            keys["aws:PrincipalServiceName"] = principal["arn"]
        elif kind != "anonymous":
            keys["aws:PrincipalArn"] = principal["role_arn"] or principal["arn"]
            keys["aws:PrincipalAccount"] = principal["account"]
        types = {
            "user": "User",
            "role-session": "AssumedRole",
            "federated-user": "FederatedUser",
            "anonymous": "Anonymous",
        }
        if kind in types:
            keys["aws:PrincipalType"] = types[kind]
        if kind == "user":
            keys["aws:username"] = principal["arn"].rsplit("/", 1)[-1]
        return keys

    def policies(self, request: dict[str, Any], service: str) -> dict[str, Any]:
        kind = request["principal"]["kind"]
        found: dict[str, Any] = {}
        if kind not in ("service", "anonymous"):
            found["identity"] = [self.document(request, "identity") for _ in range(self.random.choice([0, 1, 1, 1, 2]))]
            if self.likely(0.25):
                found["boundary"] = self.document(request, "boundary", generous=True)
            if kind in ("role-session", "federated-user") and self.likely(0.3):
                found["session"] = [self.document(request, "session", generous=True)]
            if self.likely(0.25):
                found["scps"] = [
                    [self.document(request, "scp", generous=True)] for _ in range(self.random.choice([1, 1, 2]))
                ]
        if self.likely(0.15):
            found["rcps"] = [[self.document(request, "rcp", generous=True)]]
        if self.likely(0.1):
            found["endpoint"] = self.document(request, "endpoint", generous=True)
        foreign = request["resource_account"] != request["principal"]["account"]
        if service in ("kms", "sts") or (request["resource"] != "*" and self.likely(0.85 if foreign else 0.5)):
            found["resource"] = self.document(request, {"kms": "key", "sts": "trust"}.get(service, "resource"))
        return found

    def document(self, request: dict[str, Any], form: str, *, generous: bool = False) -> dict[str, Any]:
        count = self.random.choice([1, 1, 2, 3])
        statements = [self.statement(request, form, generous=generous) for _ in range(count)]
        if generous and self.likely(0.7):
            allowing = {"Effect": "Allow", "Action": "*", "Resource": "*"}
            statements.append(allowing | ({"Principal": "*"} if form in ("rcp", "endpoint") else {}))
        document: dict[str, Any] = {"Version": "2012-10-17", "Statement": statements}
        if self.likely(0.03):
            document["Version"] = "2008-10-17"
        if len(statements) == 1 and self.likely(0.3):
            document["Statement"] = statements[0]
        return document

    def statement(self, request: dict[str, Any], form: str, *, generous: bool) -> dict[str, Any]:
        deny = self.likely(0.22 if not generous else 0.3)
        fit = 0.55 if deny else 0.93
        statement: dict[str, Any] = {"Effect": "Deny" if deny else "Allow"}
        if self.likely(0.2):
            statement["Sid"] = f"S{self.random.randint(1, 99)}"
        if form in ("resource", "key", "trust"):
            self.add_principal(statement, request["principal"], deny, form, fit)
        elif form in ("rcp", "endpoint"):
            statement["Principal"] = "*"
        self.add_action(statement, request["action"], fit)
        if form != "trust":
            self.add_resource(statement, request, form, fit)
        if self.likely(0.65 if deny else 0.5):
            condition: dict[str, Any] = {}
            for _ in range(self.random.choice([1, 1, 1, 2])):
                operator, key, values = self.condition(request["context"])
                condition.setdefault(operator, {})[key] = values
            statement["Condition"] = condition
        return statement

    def one_or_list(self, values: list[str]) -> Any:
        return values[0] if len(values) == 1 and self.likely(0.6) else values

    def add_principal(
        self, statement: dict[str, Any], asking: dict[str, Any], deny: bool, form: str, fit: float
    ) -> None:
        strangers = [f"arn:aws:iam::{OTHER}:user/stranger", f"arn:aws:iam::{HOME}:role/other", "220000000009"]
        if asking["kind"] == "service":
            names = [{"Service": asking["arn"]}, "*"]
        elif asking["kind"] == "anonymous":
            names = ["*", {"AWS": "*"}]
        else:
            account = self.random.choice([asking["account"], f"arn:aws:iam::{asking['account']}:root"])
            arns = [asking["arn"], asking["role_arn"] or asking["arn"], account]
            if asking["kind"] == "federated-user":
                arns.append(asking["arn"].replace(":sts:", ":iam:").replace("federated-user/", "user/"))
            if deny and form in ("resource", "key") and self.likely(0.35):
                listed = [arn for arn in [*arns[:2], f"arn:aws:iam::{asking['account']}:root"] if self.likely(0.75)]
                statement["NotPrincipal"] = {"AWS": sorted(set(listed or strangers[:1]))}
                return
            names = [{"AWS": self.one_or_list([arn])} for arn in arns] + [{"AWS": [strangers[0], arns[0]]}, "*"]
        if self.likely(fit):
            statement["Principal"] = self.random.choice(names)
        else:
            statement["Principal"] = {"AWS": self.one_or_list([self.random.choice(strangers)])}

    def add_action(self, statement: dict[str, Any], action: str, fit: float) -> None:
        service, _, name = action.partition(":")
        fitting = ["*", f"{service}:*", action, f"{service}:{name[:3]}*", f"{service}:*{name[3:]}", action.swapcase()]
        fitting.append(f"{service}:{name[0]}?{name[2:]}")
        missing = [f"{service}:List*", "iam:*", f"{service}:{name}Tagging", "cloudwatch:Put*"]
        element, good, bad = "Action", fitting, missing
        if self.likely(0.12):
            element, good, bad = "NotAction", missing, fitting
        chosen = [self.random.choice(good if self.likely(fit) else bad)]
        if self.likely(0.3):
            chosen.append(self.random.choice(missing))
        statement[element] = self.one_or_list([self.service_lower(item) for item in chosen])

    @staticmethod
    def service_lower(action: str) -> str:
        service, colon, name = action.partition(":")
        return service.lower() + colon + name

    def add_resource(self, statement: dict[str, Any], request: dict[str, Any], form: str, fit: float) -> None:
        resource, context = request["resource"], request["context"]
        fitting = ["*", "*"]
        if resource != "*":
            fitting += [resource, *self.patterns(resource, context, form)]
        missing = ["arn:aws:s3:::elsewhere/*", f"arn:aws:kms:us-east-1:{OTHER}:key/ffff", "arn:aws:sqs:*:*:nothing?"]
        element, good, bad = "Resource", fitting, missing
        if self.likely(0.12):
            element, good, bad = "NotResource", missing, fitting
        chosen = [self.random.choice(good if self.likely(fit) else bad)]
        if self.likely(0.25):
            chosen.append(self.random.choice(missing))
        statement[element] = self.one_or_list(chosen)

    def patterns(self, resource: str, context: dict[str, Any], form: str) -> list[str]:
        head, tail = ":".join(resource.split(":")[:5]), ":".join(resource.split(":")[5:])
        slash = max(tail.rfind("/"), tail.rfind(":")) + 1
        product, name = tail[:slash], tail[slash:]
        region_star = ":".join(["arn", "aws", head.split(":")[2], "*", "*"])
        found = [
            f"{head}:{product}*",
            f"{head}:{product}{name[:2]}*{name[-1:]}",
            f"{head}:{product}?{name[1:]}",
            f"{region_star}:{product}{name}",
            f"{head}:{product}{name}x",
        ]
        for key in ("aws:PrincipalTag/team", "aws:username", "s3:prefix"):
            value = context.get(key, "")
            # not in the part that names the resource's type, where AWS allows neither wildcards nor variables
            if isinstance(value, str) and len(value) > 3 and value in name + product.partition("/")[2]:
                found.append(f"{head}:{tail.replace(value, '${' + key + '}', 1)}")
        if "records" in tail:
            found += [
                f"{head}:{tail.replace('records', chr(36) + '{aws:PrincipalTag/absent, ' + repr('records') + '}', 1)}",
                f"{head}:{tail.replace('records', '${aws:PrincipalTag/absent}', 1)}",
            ]
        if form == "identity" and self.likely(0.3):
            found.append(":".join(head.split(":")[:3]))
        return found

    def condition(self, context: dict[str, Any]) -> tuple[str, str, Any]:
        if self.likely(0.07):
            key = self.random.choice([*KEYS["String"][0], *KEYS["String"][1], "aws:MultiFactorAuthPresent"])
            return "Null", key, self.random.choice(["true", "false", False, True])
        family = self.random.choices(list(KEYS), [38, 16, 14, 14, 9, 4, 9])[0]
        single, several, _ = KEYS[family]
        operator = self.random.choice(OPERATORS[family])
        quantifier = self.random.choices(["", "ForAllValues:", "ForAnyValue:"], [72, 14, 14])[0]
        plural = self.likely(0.85) if quantifier else self.likely(0.03)
        key = self.random.choice(several if plural else single)
        values = [self.value(family, operator, key, context) for _ in range(self.random.choice([1, 1, 2, 3]))]
        suffix = "IfExists" if self.likely(0.2) else ""
        if family == "Bool" and self.likely(0.3):
            return quantifier + operator + suffix, key, values[0] == "true"
        if family == "Numeric" and self.likely(0.2) and "." not in values[0]:
            return quantifier + operator + suffix, key, int(values[0])
        cased = key.swapcase() if self.likely(0.05) else key
        return quantifier + operator + suffix, cased, self.one_or_list(values)

    def value(self, family: str, operator: str, key: str, context: dict[str, Any]) -> str:
        values = KEYS[family][2]
        given = context.get(key)
        actual = self.random.choice(given) if isinstance(given, list) else given
        if family == "Ip":
            return self.random.choice(RANGES)
        base = actual if actual is not None and self.likely(0.6) else self.random.choice(values)
        if family == "String":
            if self.likely(0.1):
                name = self.random.choice(["aws:PrincipalTag/team", "s3:prefix", "sts:ExternalId", "aws:TagKeys"])
                return f"${{{name}}}"
            if self.likely(0.07):
                return f"${{aws:PrincipalTag/absent, '{base}'}}"
            if self.likely(0.04):
                return base.replace("*", "${*}") + self.random.choice(["", "${$}"])
            if "Like" in operator:
                return self.random.choice(
                    [base[:2] + "*", "*" + base[-2:], "?" + base[1:], base[:1] + "*" + base[-1:], "*"]
                )
            return base.upper() if self.likely(0.15) else base
        if family == "Arn":
            parts = base.split(":", 5)
            if self.likely(0.08):
                return "${aws:PrincipalArn}"
            if self.likely(0.5):
                parts[self.random.choice([3, 4])] = "*"
            if self.likely(0.5):
                parts[5] = self.random.choice([parts[5][:4] + "*", "*", parts[5][:-1] + "?", "*" + parts[5][-3:]])
            return ":".join(parts)
        if family == "Date" and self.likely(0.04):
            return self.random.choice(["1772359200", "1798761600"])
        return base


def write(target: str) -> None:
    """Writes COUNT cases to the file."""
    maker = Maker(SEED)
    lines = (json.dumps(maker.case(), separators=(",", ":")) for _ in range(COUNT))
    Path(target).write_text("".join(f"{line}\n" for line in lines))


def pack(cases: str, answers: str, target: str) -> None:
    """Writes cases and answers as one compressed file of vectors: the letter, then the case, on each line."""
    letters = Path(answers).read_text().strip()
    lines = Path(cases).read_text().splitlines()
    text = "".join(f"{letter}{line}\n" for letter, line in zip(letters, lines, strict=True))
    Path(target).write_bytes(zstandard.ZstdCompressor(level=22).compress(text.encode()))


if __name__ == "__main__":
    {"write": write, "pack": pack}[sys.argv[1]](*sys.argv[2:])
