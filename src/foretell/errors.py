"""What can go wrong, for users: what happened, with the value, then one thing to do.

ForetellError
├── SpecError         a spec that cannot be understood; carries every fault found
├── DataError         data that cannot be read, or that the rules refuse
├── TrainingError     a fit that cannot go on
├── CheckpointError   a model folder that is incomplete, altered, or unknown
├── VerdictError      a narrative that the evidence does not support
├── StoreError        a case store that cannot be written or does not verify
│   └── NotFoundError  a case that is not there, or that is not for this person to see
├── DecisionError     a decision that the rules do not admit
└── AccessError       a person who is not known, or may not do it
"""


class ForetellError(Exception):
    """Base of all errors meant for users.

    Args:
        message: what happened, with the values involved.
        hint: one thing to do about it; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class SpecError(ForetellError):
    exit_code = 2


class DataError(ForetellError):
    exit_code = 3


class TrainingError(ForetellError):
    exit_code = 4


class CheckpointError(ForetellError):
    exit_code = 5


class VerdictError(ForetellError):
    exit_code = 6


class StoreError(ForetellError):
    exit_code = 7


class NotFoundError(StoreError):
    """Says no more of a case that somebody may not see than of one that never was."""


class DecisionError(ForetellError):
    exit_code = 8


class AccessError(ForetellError):
    exit_code = 9
