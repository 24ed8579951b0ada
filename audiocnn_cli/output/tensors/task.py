"""The task of `audiocnn features`: compute, draw, write and report on one input, in a worker."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import WithoutFiles
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.features.plan import Plan
from audiocnn_cli.features.result import extract_source
from audiocnn_cli.output.tensors.destination import FeatureOutput
from audiocnn_cli.output.tensors.report import FeatureReport

if TYPE_CHECKING:  # pictures are drawn for `plot` only
    from audiocnn_cli.output.plots.features import Pictures


@dataclass(frozen=True, slots=True)
class Features(WithoutFiles):
    """The batch's task: computes the tensor of a recording and writes it to `output`."""

    plan: Plan
    output: FeatureOutput
    pictures: "Pictures | None" = None
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def prepare(self) -> Callable[[Source], FeatureReport]:
        """Return the function that computes and writes; nothing is loaded before."""
        return self._work

    def _work(self, source: Source) -> FeatureReport:
        result = extract_source(source, self.plan)
        if self.pictures:
            self.pictures.draw(result)
        return self.output.deliver(result)
