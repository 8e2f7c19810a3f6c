"""The engine's own errors. Every one carries a message of one line: file, cause and remedy."""

MAX_CHARACTERS = 2000  # of a message; libraries may quote a whole file


class EngineError(Exception):
    """Base of all errors that the user can fix; shown as one line, never as a traceback."""

    def __init__(self, message: str):
        super().__init__(as_line(message))


def as_line(message: str) -> str:
    """A text as one line that a terminal shows as it is: names and texts of libraries may hold line
    breaks, control characters, marks that turn the direction of writing, or a whole file."""
    line = " ".join(message.split())
    if len(line) > MAX_CHARACTERS:  # the file stands at the start, the remedy at the end
        line = f"{line[: MAX_CHARACTERS // 2]} ... {line[-MAX_CHARACTERS // 2 :]}"
    if line.isprintable():
        return line
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)


class MissingInputError(EngineError):
    """An input that a whole step needs is not there (exit code 2)."""


class BadDataError(EngineError):
    """Data that is damaged or contradicts itself. In one scene: the others go on, exit code 1."""


class MissingFileError(MissingInputError, BadDataError):
    """A file of one scene is not there, which another start may find."""


class SettingsError(EngineError):
    """Constants, flags or lists that cannot be used together (exit code 2)."""
