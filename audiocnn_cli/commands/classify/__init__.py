"""`audiocnn classify`: option groups, the command, batches and streams, inspection."""

from audiocnn_cli.commands.classify.command import EXAMPLES, classify

__all__ = ["EXAMPLES", "classify"]
