"""A generation is the life of the simulated AWS accounts; what belongs to one that ended is set aside, not reused.

moto keeps nothing when its process ends. Pulumi's state, role credentials, OpenBao's tokens and the databases would
then speak of accounts that no longer exist, so they are archived together, and the next start begins clean.
"""

from __future__ import annotations

import datetime as dt
import shutil

from local_cloud.servers.layout import OUTLIVES_GENERATION, Layout, private_folder

KEPT_GENERATIONS = 2


def exists(layout: Layout) -> bool:
    """Whether a generation was begun here, running or not."""
    return layout.cloud.exists()


def end(layout: Layout, now: dt.datetime) -> str:
    """Moves everything of the generation to `archive/<UTC time>`, keeps the last two there, and returns that name.

    A generation whose gateway never became ready holds nothing: it is removed, and the name is empty. No server of
    it may run any more.
    """
    belongings = sorted(path for path in layout.home.iterdir() if path.name not in OUTLIVES_GENERATION)
    if not layout.begun.exists():
        for path in belongings:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return ""
    name = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H%M%S.%fZ")
    place = private_folder(private_folder(layout.archive) / name)
    for path in belongings:
        path.rename(place / path.name)
    for old in sorted(layout.archive.iterdir())[:-KEPT_GENERATIONS]:
        shutil.rmtree(old)
    return name
