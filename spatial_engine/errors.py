"""The engine's own errors. Every one carries a message of one line: file, cause and remedy."""


class EngineError(Exception):
    """Base of all errors that a user can mend; shown as one line, never as a traceback."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))  # texts of libraries may hold line breaks


class MissingInputError(EngineError):
    """An input that a whole step needs is not there (exit code 2)."""


class BadDataError(EngineError):
    """Data that is damaged or contradicts itself. In one scene: the others go on, exit code 1."""


class SettingsError(EngineError):
    """Constants, flags or lists that cannot be used together (exit code 2)."""
