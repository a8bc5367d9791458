"""Proof that no human can come to hold two duties: the least fixpoint of what each can do, over read-back state.

    proof = prove(facts, pairs)
    proof.verdict          # "PROVED" or "REFUTED"
    Reach(facts).who_can("kms:Decrypt", key_arn)
    proof.counterexamples  # for each broken pair the shortest derivation, in words and as data
    proof.certificate      # the fixpoint and the hash of its inputs; `checker.check` checks it again

Conditions that follow from who asks are decided; every other condition counts as satisfied where it allows and as
avoided where it denies. So REFUTED may be too strict, and PROVED is never too lenient.
"""

from strongroom.authorization.prover.duties import Ability, Pair
from strongroom.authorization.prover.facts import Account, Carrier, Facts, Human, Identity, Key, Quorum, Store
from strongroom.authorization.prover.proof import Counterexample, Proof, Reach, prove

__all__ = [
    "prove",
    "Proof",
    "Counterexample",
    "Reach",
    "Facts",
    "Human",
    "Identity",
    "Account",
    "Key",
    "Carrier",
    "Store",
    "Quorum",
    "Pair",
    "Ability",
]
