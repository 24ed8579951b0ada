"""`audiocnn models`: list, show, verify, add, remove and export models."""

from audiocnn_cli.commands.models.command import app

__all__ = ["app"]
