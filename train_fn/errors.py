"""What a person can do wrong that only the data, the device, or another process reveals."""


class DataError(ValueError):
    """The data cannot be used as asked; the message is one line: the rule, what was got, the way out."""


class ProcessLost(RuntimeError):
    """Another process that a run needs has died: it is worth another start, from its last checkpoint.

    The message is one line; it does not count as one of the run's tries where the run cannot be at fault.
    """

    def __init__(self, message: str, counts: bool = True) -> None:
        super().__init__(message)
        self.counts = counts


class InfeasibleError(ValueError):
    """The run does not fit the device, however small its micro-batches; the message is one line."""


class OtherProcessError(Exception):
    """A run is shared by several processes, and another one raised first; the message is one line."""
