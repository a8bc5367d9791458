"""The meaning of AWS and OpenBao authorisation as documented: pure functions over plain documents.

    request = Request(principal, "kms:Decrypt", key_arn, context)
    decision = evaluate(request, Policies(identity=[...], resource=key_policy))
    decision.allowed, decision.reason, decision.statement, decision.explain()

Anything whose meaning is not known raises UnknownElement; nothing is ignored. docs/authorization.md states the rules.
"""

from strongroom.authorization.decision import Decision, Layer, Outcome, StatementRef, Step
from strongroom.authorization.documents import Document, Form, Named, parse
from strongroom.authorization.evaluate import Policies, evaluate
from strongroom.authorization.grants import Grant
from strongroom.authorization.openbao import evaluate_vault
from strongroom.authorization.openbao_policies import VaultPolicy
from strongroom.authorization.request import Principal, Request
from strongroom.authorization.trust import evaluate_assume_role
from strongroom.errors import UnknownElement

__all__ = [
    "evaluate",
    "evaluate_assume_role",
    "evaluate_vault",
    "parse",
    "Request",
    "Principal",
    "Policies",
    "Named",
    "VaultPolicy",
    "Grant",
    "Decision",
    "Step",
    "StatementRef",
    "Layer",
    "Outcome",
    "Form",
    "Document",
    "UnknownElement",
]
