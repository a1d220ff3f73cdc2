"""The one kind of failure that a tool reports: what the user wrote or asked for, as one line, exit status 2."""


class UsageError(Exception):
    """`file:line: message`, or only the message when there is no file to point at."""

    def __init__(self, message, path=None, line=None):
        place = "" if path is None else f"{path}:" if line is None else f"{path}:{line}:"
        super().__init__(f"{place} {message}" if place else message)
