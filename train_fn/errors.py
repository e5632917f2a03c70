"""What a person can do wrong that only the data, or the device, reveals."""


class DataError(ValueError):
    """The data cannot be used as asked; the message is one line: the rule, what was got, the way out."""


class InfeasibleError(ValueError):
    """The run does not fit the device, however small its micro-batches; the message is one line."""
