"""Classify recordings and write a page for each."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.inspection.occlusion import explain_label
from audiocnn_cli.inspection.work import Inspected, Inspection, stream_of
from audiocnn_cli.output.report.page import Overview, PageInput, page_html
from audiocnn_cli.output.report.pages import Pages
from audiocnn_cli.output.report.sound import read_sound

_log = logging.getLogger("audiocnn")


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
            stream = stream_of(prediction, classification.ensemble(), options)
            label = prediction.top[0].label
            why = found.why or explain_label(source, stream, label, options.excerpt)
            sound = reading.result()
        html = page_html(PageInput(prediction, why, sound, stream.model, self.pages.link_back))
        page = self.pages.page_of(source)
        with atomic_writer(page, "w", force=self.pages.force) as file:
            file.write(html)
        return Reported(found, page)


def with_overview(outcomes: Iterable[Reported | Failure], pages: Pages) -> Iterator[Inspected | Failure]:
    """Yield the inspected predictions, then write the overview of several and log its path.

    Raises:
        OutputError: it can't be written.
    """
    overview = Overview()
    written = 0
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            overview.fail(outcome)
            yield outcome
            continue
        written += 1
        overview.add(outcome.inspected.prediction, pages.link_to(outcome.page))
        yield outcome.inspected
    if pages.several:
        with atomic_writer(pages.path, "w", force=pages.force) as file:
            file.write(overview.html())
    if written:
        _log.info("%s: report written", pages.path)
