"""What can be looked into: a recording is read more than once."""

from audiocnn_cli.errors import UsageError


def require_seekable(*, streamed: bool) -> None:
    """Refuse a stream, which is there but once.

    Raises:
        UsageError: it is one.
    """
    if streamed:
        raise UsageError(
            "--trace, --why and --report read a recording more than once: write the stream into a file and"
            " name that"
        )
