"""Where lines of the log go, and when."""

import io
import subprocess
import sys

from onehook.log import LATEST, Lines
from tests.builders import eventually


class Slow(io.RawIOBase):
    """A file that remembers what came, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def writable(self) -> bool:
        """It takes bytes."""
        return True

    def write(self, data: object) -> int:
        """Take *data*."""
        self.writes.append(bytes(data))  # type: ignore[call-overload]
        return len(self.writes[-1])


async def test_lines_are_written_together_and_soon() -> None:
    """Many cost one write; none waits for another one to come."""
    file = Slow()
    lines = Lines(io.BufferedWriter(file))
    for number in range(50):
        lines.info(b"%d" % number)
    assert file.writes == []

    async def written() -> bool:
        return b"".join(file.writes) == b"".join(b"%d\n" % number for number in range(50))

    await eventually(written, 50 * LATEST)
    assert len(file.writes) == 1


def test_trouble_is_written_at_once_and_after_what_came_before() -> None:
    """A process that is about to die has said why."""
    file = Slow()
    lines = Lines(io.BufferedWriter(file))
    lines.debug(b"before")
    lines.warning(b"trouble")
    assert b"".join(file.writes) == b"before\ntrouble\n"
    lines.error(b"more")
    assert file.writes[-1] == b"more\n"


def test_nothing_is_lost_at_the_end() -> None:
    """A process that ends as it should has written all."""
    program = (
        "from onehook.log import configure, get_logger; configure('info');"
        "[get_logger().info('line.written', number=n) for n in range(3)]"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert [b'"number":%d' % n in line for n, line in enumerate(ended.stderr.splitlines())] == [
        True
    ] * 3
