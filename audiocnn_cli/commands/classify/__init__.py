"""`audiocnn classify`: options, choice of models, the run."""

from audiocnn_cli.commands.classify.command import EXAMPLES, classify

__all__ = ["EXAMPLES", "classify"]
