"""The errors a user is meant to read: one sentence that names the field, the sample count and the remedy."""


class CoresetError(ValueError):
    """Bad input or an impossible request; the message says what to do about it.

    Examples:
        >>> try:
        ...     fc.load_run(dataset, "unknown")
        ... except fc.CoresetError as error:
        ...     print(error)
        dataset ... has no coreset run 'unknown' (runs: 'coreset')...
    """
