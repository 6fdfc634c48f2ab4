"""Errors that speak to the user: what happened, and what to do about it."""

from __future__ import annotations


class AutotunerError(Exception):
    """A problem the user can act on; the CLI prints message and hint, never our traceback."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(AutotunerError):
    """The request itself is wrong (exit code 2): an unknown preset, a negative timeout, a missing target."""


class UserCodeError(AutotunerError):
    """The user's own function failed; ``user_traceback`` is theirs, whole."""

    def __init__(self, message: str, hint: str = "", user_traceback: str = "") -> None:
        super().__init__(message, hint)
        self.user_traceback = user_traceback


class StudyError(AutotunerError):
    """The stored study cannot be used: locked, corrupt, or made for another pipeline or machine."""


class IllegalConfigurationError(AutotunerError):
    """A configuration asks for what its pipeline does not offer."""
