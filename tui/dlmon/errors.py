"""One exception for everything that a person can put right, and the exit codes of commands other than `run`."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2


class UserError(Exception):
    """One line: what is wrong, where, what to do. Shown as `dlmon: …`, without a traceback.

    code: the exit code, 2 (usage, or the command could not be started) unless given.
    """

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code


def reason(error: OSError) -> str:
    """What the operating system said, in lower case and without the number: "permission denied"."""
    return (error.strerror or str(error) or type(error).__name__).lower()
