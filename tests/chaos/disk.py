"""A disk that is slow to keep what it was given, or does not keep it, while a file says so.

The server is a program of its own: what it asks the system for is met between the two, in a library
that a C compiler makes here. Where there is none, its disk is well.
"""

import shutil
import subprocess
from pathlib import Path

_SLOW, _FAILING = "disk-is-slow", "disk-fails"
_DELAY_MS = 2000
_LIBRARY = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int keep(const char *name, int file) {
    int (*usual)(int) = (int (*)(int)) dlsym(RTLD_NEXT, name);
    if (access(getenv("SICK_DISK_SLOW"), F_OK) == 0) usleep(%d * 1000);
    if (access(getenv("SICK_DISK_FAILING"), F_OK) == 0) { errno = EIO; return -1; }
    return usual(file);
}

int fsync(int file) { return keep("fsync", file); }
int fdatasync(int file) { return keep("fdatasync", file); }
"""


class SickDisk:
    """Orders to the disk of the server that was started with *variables* in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.slow, self.failing = folder / _SLOW, folder / _FAILING

    @staticmethod
    def can_be() -> bool:
        """Whether there is a compiler."""
        return shutil.which("cc") is not None

    @property
    def variables(self) -> dict[str, str]:
        """What has to be in the server's environment; makes the library."""
        if not self.can_be():
            return {}
        folder = self.slow.parent
        source, library = folder / "disk.c", folder / "disk.so"
        source.write_text(_LIBRARY % _DELAY_MS)
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
        subprocess.run(command, check=True)
        return {
            "LD_PRELOAD": str(library),
            "SICK_DISK_SLOW": str(self.slow),
            "SICK_DISK_FAILING": str(self.failing),
        }
