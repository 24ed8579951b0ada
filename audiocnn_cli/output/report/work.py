"""Classify recordings and write a page for each: one file, or an overview and a folder of pages beside it."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import quote

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import OutputError
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.files import atomic_writer, make_folder
from audiocnn_cli.inspection.occlusion import explain_label
from audiocnn_cli.inspection.work import Inspected, Inspection, stream_of
from audiocnn_cli.output.report.page import overview_html, overview_row, page_html
from audiocnn_cli.output.report.sound import read_sound
from audiocnn_cli.output.report.template import check_page
from audiocnn_cli.output.terminal.console import display, log

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
        check_page(self.path, force=self.force)
        if self.several and self.folder.exists() and not self.force:
            raise OutputError(
                f"{self.folder}: exists already, and the pages are written there; give another name or add"
                " `force=True`"
            )
        if self.several:
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


@dataclass(frozen=True, slots=True)
class Reported:
    """The inspected prediction, and the path of its page."""

    inspected: Inspected
    page: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """The batch's task: an `inspection` and its page, which always shows the evidence for the label."""

    inspection: Inspection
    pages: Pages
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the inspection."""
        return self.inspection.files

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with its files read from other paths."""
        return replace(self, inspection=self.inspection.with_files(moved))

    def prepare(self) -> Callable[[Source], Reported]:
        """Open the models, and return the function that writes one page.

        Raises:
            ModelRefusedError, UsageError: as `Inspection.prepare`.
        """
        inspect = self.inspection.prepare()
        return lambda source: self._report(source, inspect)

    def _report(self, source: Source, inspect: Callable[[Source], Inspected]) -> Reported:
        classification = self.inspection.classification
        options = classification.options
        # Encoding the sound takes as long as all the rest, and libsndfile releases Python's lock.
        with ThreadPoolExecutor(max_workers=1) as thread:
            reading = thread.submit(read_sound, source, options.excerpt)
            found = inspect(source)
            prediction = found.prediction
            stream = stream_of(prediction, classification.opened(), options)
            label = prediction.top[0].label
            why = found.why or explain_label(source, stream, label, options.excerpt)
            sound = reading.result()
        html = page_html(prediction, why, sound, stream.model, self.pages.link_back)
        page = self.pages.page_of(source)
        with atomic_writer(page, "w", force=self.pages.force) as file:
            file.write(html)
        return Reported(found, page)


def with_overview(outcomes: Iterable[Reported | Failure], pages: Pages) -> Iterator[Inspected | Failure]:
    """Yield the inspected predictions, then write the overview of several and log its path.

    Raises:
        OutputError: it can't be written.
    """
    rows, failures = [], []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            failures.append({"path": display(outcome.path), "message": outcome.message})
            yield outcome
        else:
            prediction = outcome.inspected.prediction
            rows.append(overview_row(prediction, pages.link_to(outcome.page)))
            yield outcome.inspected
    if pages.several:
        with atomic_writer(pages.path, "w", force=pages.force) as file:
            file.write(overview_html(rows, failures))
    if rows:
        log.info("%s: report written", pages.path)
