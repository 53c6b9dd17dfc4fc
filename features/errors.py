"""What can go wrong for a reason a user can mend, each with its own exit code."""


class LeadsieveError(Exception):
    """Something a user can understand and mend; its text is the whole message."""

    exit_code = 1


class UsageError(LeadsieveError):
    """A command, setting or configuration that cannot be meant."""

    exit_code = 2


class ContractError(LeadsieveError):
    """The data break what every later step relies on; ``breaches`` are the places where they do."""

    exit_code = 3

    def __init__(self, text: str, breaches: tuple = ()) -> None:
        super().__init__(text)
        self.breaches = breaches


class TooLittleDataError(LeadsieveError):
    """Too few leads or outcomes to learn from."""

    exit_code = 4


class LeakError(LeadsieveError):
    """A column may know what could not have been known when a lead was to be scored."""

    exit_code = 4


class UnreachableError(LeadsieveError):
    """A system this run depends on does not answer."""

    exit_code = 5
