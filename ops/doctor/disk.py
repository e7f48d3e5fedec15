"""Free space and free files on the disks of this machine."""

import os
from pathlib import Path

from ops.doctor.finding import Finding, error, warning

CHECK = "disk space"
GIB = 2**30
FEW_BYTES = 2 * GIB
FEW_SHARE = 0.1
LEAST_BYTES = GIB // 4
FEW_FILES_SHARE = 0.05
REMEDY = "make room, or move the data to a larger disk"


async def free_space(folder: Path) -> list[Finding]:
    """Check the disk of a folder, which need not exist yet."""
    place = next(each for each in (folder, *folder.parents) if each.exists())
    disk = os.statvfs(place)
    return [
        *judge(str(place), disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize),
        *_judge_files(str(place), disk.f_favail, disk.f_files),
    ]


def judge(name: str, free: float, total: float) -> list[Finding]:
    """Return the finding about a disk, by its free and its total bytes. A large disk needs a smaller share free."""
    if total <= 0 or (free >= FEW_BYTES and free >= min(FEW_SHARE * total, 20 * GIB)):
        return []
    problem = f"the disk of {name} has {free / GIB:.2f} GiB free of {total / GIB:.1f}"
    return [error(CHECK, problem, REMEDY) if free < LEAST_BYTES else warning(CHECK, problem, REMEDY)]


def _judge_files(name: str, free: int, total: int) -> list[Finding]:
    if total <= 0 or free >= FEW_FILES_SHARE * total:
        return []
    return [warning(CHECK, f"the disk of {name} has room for only {free:,} more files", "delete files there")]
