"""The paths of the pages: one file, or an overview and a folder of pages beside it."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import OutputError, UsageError
from audiocnn_cli.extras import require_extra
from audiocnn_cli.files import check_writable, make_folder

_ENDINGS = (".html", ".htm")
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Pages:
    """The file given as `report`, and whether it is the overview of several recordings."""

    path: Path
    several: bool
    force: bool

    def check(self) -> None:
        """Check before the work starts that the pages can be written, and make the folder.

        Raises:
            UsageError: the name does not end in .html.
            MissingExtraError: Jinja or Pillow is not installed.
            OutputError: the file or the folder can't be written.
        """
        if self.path.suffix.lower() not in _ENDINGS:
            raise UsageError(f"`report={self.path}`: name an .html file")
        require_extra("report", "`report`")
        check_writable(self.path, force=self.force)
        if not self.several:
            return
        if self.folder.exists() and not self.force:
            raise OutputError(
                f"{self.folder}: exists already, and the pages are written there; give another name or add"
                " `force=True`"
            )
        make_folder(self.folder)

    @property
    def folder(self) -> Path:
        """The folder of the pages of several recordings, beside the overview."""
        return self.path.with_name(f"{self.path.stem}-pages")

    def page_of(self, source: Source) -> Path:
        """The file of a recording's page; with several recordings every path has another one."""
        if not self.several:
            return self.path
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", source.name).strip("-")[:_LONGEST_NAME]
        digest = hashlib.sha256(source.path.encode(errors="surrogateescape")).hexdigest()[:8]
        return self.folder / f"{plain or 'recording'}-{digest}.html"

    def link_to(self, page: Path) -> str:
        """The URL of a page, relative to the overview."""
        return f"{_quoted(self.folder.name)}/{_quoted(page.name)}"

    @property
    def link_back(self) -> str | None:
        """The URL of the overview, relative to a page; None where there is none."""
        return f"../{_quoted(self.path.name)}" if self.several else None


def _quoted(name: str) -> str:
    return quote(name.encode(errors="surrogateescape"), safe="")
