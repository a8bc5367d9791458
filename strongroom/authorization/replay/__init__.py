"""A refutation carried out on the laptop's cloud: each step of the derivation by a real request, then put back.

    scene = Scene(facts, counterexample)
    made = plan(scene)                                    # pure: typed moves, or NotReplayable with its reason
    Stage(made, scene.starts, credentials, tell).run()    # Denied names the step that was refused

Only against loopback addresses, whatever is asked for.
"""

from strongroom.authorization.replay.moves import Move, NotReplayable, Plan
from strongroom.authorization.replay.recorded import as_data, from_data
from strongroom.authorization.replay.scene import Scene
from strongroom.authorization.replay.stage import Credentials, Stage, Told
from strongroom.authorization.replay.table import MOVES, plan

__all__ = [
    "MOVES",
    "Credentials",
    "Move",
    "NotReplayable",
    "Plan",
    "Scene",
    "Stage",
    "Told",
    "as_data",
    "from_data",
    "plan",
]
