"""One flipped byte: the drill names the pack, the copier heals it, the drill passes again."""

from __future__ import annotations

from demo.damage import SOURCE, flip_byte, newest_pack
from demo.stage import Stage, require

TITLE = "Bit rot in a copy"


def show(stage: Stage) -> str:
    """Damages the copy on disk and follows it through drill, copier and drill; other sources are left out for speed."""
    from backup_jobs import opening

    folder = opening.local_path(stage.copy("disk"))
    pack = newest_pack(folder, SOURCE)
    sick = {"copy": "disk", "source": SOURCE, **stage.escrow_options}
    offset = flip_byte(pack)
    broken = stage.run("drill", **sick)
    require(broken.exit_code == 6, f"the drill of a damaged copy ended with {broken.exit_code}, not with 6")
    require(pack.stem in broken.message, f"the drill did not name {pack.name}: {broken.message}")
    healed = stage.run_well("copy", copy="disk")
    require(pack.stem in healed.message, f"the copier does not say that it healed {pack.name}: {healed.message}")
    stage.run_well("drill", **sick)
    stage.display.refused(f"byte {offset} of a pack flipped; drill, exit 6", f"packs/…/{pack.stem[:12]}… is damaged")
    stage.display.line("the copier replaced it from the primary copy; the same drill passes")
    return "flipped byte found and named, healed, drilled again"
