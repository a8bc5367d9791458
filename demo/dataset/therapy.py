"""Psychotherapy notes of invented sessions, put together from sentences written for this demo."""

from __future__ import annotations

import random

_OPENING = (
    "Arrived on time, tired after a night with four hours of sleep.",
    "Came with her sister, who waited outside.",
    "First session after two weeks; she asked to begin with the birth.",
    "Seen by video because of bed rest.",
    "Quiet at the beginning, more open towards the end.",
    "Reports that the week was better than the last one.",
)
_PREGNANT = (
    "Worries about the coming birth have become the centre of her evenings.",
    "Speaks of the loss two years ago and of counting weeks ever since.",
    "Afraid of telling her employer before the second trimester is over.",
    "The nausea has made her give up running, which used to carry her.",
    "Describes the ultrasound as the first moment she believed in it.",
    "Ambivalent about the pregnancy and ashamed of being so.",
)
_AFTER_BIRTH = (
    "Feels that she watches herself hold the child rather than holding it.",
    "Cries most days around five, when the house is quiet.",
    "Intrusive images of dropping the baby; no intent, much shame.",
    "Breastfeeding was stopped on her own decision, which she still defends daily.",
    "Anger at her partner's sleep is the feeling she allows herself.",
    "Remembers the emergency section in fragments: light, cold, voices.",
)
_WORK = (
    "We wrote down the thought, the evidence for it and the sentence she would say to a friend.",
    "Practised the breathing of last week; she managed it without guidance.",
    "Looked at what can be handed to others on two fixed evenings.",
    "Worked on the difference between a thought and an intention.",
    "Planned one hour outside each day, with whom and where.",
)
_RISK = (
    "No thoughts of self-harm; agreed whom to call at night.",
    "Passive wish to disappear on bad days, no plan, safety plan reviewed and signed.",
    "No risk seen today.",
    "Thoughts of self-harm denied; item ten of the questionnaire discussed.",
)
_CLOSING = (
    "Next session in one week.",
    "Next session in two weeks, sooner if sleep worsens.",
    "Agreed to speak with the midwife about medication.",
    "She will bring her partner next time.",
)


def write_note(chance: random.Random, *, session: int, pregnant: bool) -> str:
    """Six sentences of a session during pregnancy or after birth."""
    situation = _PREGNANT if pregnant else _AFTER_BIRTH
    first, second = chance.sample(situation, 2)
    parts = (
        chance.choice(_OPENING),
        first,
        second,
        chance.choice(_WORK),
        chance.choice(_RISK),
        chance.choice(_CLOSING),
    )
    return f"Session {session}. " + " ".join(parts)
