"""What a person can do wrong that only the data reveals."""


class DataError(ValueError):
    """The data cannot be used as asked; the message is one line: the rule, what was got, the way out."""
