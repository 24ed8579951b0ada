"""Where pages go: one file, or an overview with a folder of pages beside it."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import OutputError, UsageError
from audiocnn_cli.files import check_writable, make_folder
from audiocnn_cli.output.report.render import require_rendering

_ENDINGS = (".html", ".htm")
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Pages:
    """The file that the user names, and whether it is of several recordings."""

    path: Path
    several: bool
    force: bool

    def check(self) -> None:
        """Say before the work starts that nothing can be written there, and make the folder.

        Raises:
            UsageError: the ending is not that of a page.
            MissingExtraError: a package for it is not installed.
            OutputError: the file or the folder can't be written.
        """
        if self.path.suffix.lower() not in _ENDINGS:
            raise UsageError(f"--report {self.path}: name an .html file")
        require_rendering()
        check_writable(self.path, force=self.force)
        if not self.several:
            return
        if self.folder.exists() and not self.force:
            raise OutputError(
                f"{self.folder}: exists already, and the pages go there; give another name or add --force"
            )
        make_folder(self.folder)

    @property
    def folder(self) -> Path:
        """Where the pages of several recordings are: beside the overview."""
        return self.path.with_name(f"{self.path.stem}-pages")

    def page_of(self, source: Source) -> Path:
        """The file of a recording's page; of several, a name of its own whatever the recording's is."""
        if not self.several:
            return self.path
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", source.name).strip("-")[:_LONGEST_NAME]
        digest = hashlib.sha256(source.path.encode(errors="surrogateescape")).hexdigest()[:8]
        return self.folder / f"{plain or 'recording'}-{digest}.html"

    def link_to(self, page: Path) -> str:
        """The address of a page, seen from the overview."""
        return f"{_quoted(self.folder.name)}/{_quoted(page.name)}"

    @property
    def link_back(self) -> str | None:
        """The address of the overview, seen from a page; None where there is none."""
        return f"../{_quoted(self.path.name)}" if self.several else None


def _quoted(name: str) -> str:
    return quote(name.encode(errors="surrogateescape"), safe="")
