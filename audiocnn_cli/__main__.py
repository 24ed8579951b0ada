"""`python -m audiocnn_cli` is the same as the command `audiocnn`."""

from audiocnn_cli.commands.main import main

main()
