"""Classify a recording, look into the answer, and write its page."""

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
from audiocnn_cli.output.report.overview import Overview
from audiocnn_cli.output.report.pages import Pages

_log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True)
class Reported:
    """What was found, and the page that shows it."""

    inspected: Inspected
    page: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """The batch's task: an `inspection`, and a page of it. A page always says what its label rests on."""

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
        """Open the models, and give what makes one page.

        Raises:
            ModelRefusedError, UsageError: as `Inspection.prepare`.
        """
        inspect = self.inspection.prepare()
        return lambda source: self._report(source, inspect)

    def _report(self, source: Source, inspect: Callable[[Source], Inspected]) -> Reported:
        from audiocnn_cli.output.report.page import PageInput, page_html
        from audiocnn_cli.output.report.sound import listen

        classification = self.inspection.classification
        options = classification.options
        # Compressing the sound takes as long as all the rest, and libsndfile does it beside Python.
        with ThreadPoolExecutor(max_workers=1) as beside:
            listening = beside.submit(listen, source, options.excerpt)
            found = inspect(source)
            said = found.prediction
            scored_by = stream_of(said, classification.ensemble(), options)
            label = said.top[0].label
            why = found.why or explain_label(source, scored_by, label, options.excerpt)
            sound = listening.result()
        html = page_html(PageInput(said, why, sound, scored_by.model, self.pages.link_back))
        page = self.pages.page_of(source)
        with atomic_writer(page, "w", force=self.pages.force) as stream:
            stream.write(html)
        return Reported(found, page)


def with_overview(
    outcomes: Iterable[Reported | Failure], pages: Pages
) -> Iterator[Inspected | Failure]:
    """Hand on what was found; once all are there write the overview of several, and say where it is.

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
        with atomic_writer(pages.path, "w", force=pages.force) as stream:
            stream.write(overview.html())
    if written:
        _log.info("%s: the report", pages.path)
