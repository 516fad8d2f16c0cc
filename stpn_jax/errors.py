"""The exception that means: the input is at fault, and here is what to do."""


class UsageError(Exception):
    """Names the file, field or clip, what was expected, what was found, what to do.

    The doors (main, prepare, predict) print it as a single line and exit with 2.
    """
