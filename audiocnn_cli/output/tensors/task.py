"""What `audiocnn features` does with each input, in a worker: compute, draw, write, report."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import WithoutFiles
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.features.plan import Plan
from audiocnn_cli.features.result import extract_source
from audiocnn_cli.features.verify import verify
from audiocnn_cli.output.tensors.destination import FeatureOutput
from audiocnn_cli.output.tensors.report import FeatureReport

if TYPE_CHECKING:
    from audiocnn_cli.output.plots.features import Pictures


@dataclass(frozen=True, slots=True)
class Features(WithoutFiles):
    """The batch's task: the tensor of a recording, delivered where `output` wants it."""

    plan: Plan
    output: FeatureOutput
    pictures: "Pictures | None" = None
    verifying: bool = False
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def prepare(self) -> Callable[[Source], FeatureReport]:
        """Nothing is to be loaded."""
        return self._work

    def _work(self, source: Source) -> FeatureReport:
        result = extract_source(source, self.plan)
        if self.pictures:
            self.pictures.draw(result)
        return self.output.deliver(result, verify(result) if self.verifying else None)
