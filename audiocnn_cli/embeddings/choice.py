"""The backbone for the type of sound: one for all recordings, as vectors of two models can't be compared."""

import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from heapq import nsmallest
from pathlib import Path
from typing import ClassVar, Self

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import Excerpt, mono_blocks
from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.batch.run import Workers, run_batch
from audiocnn_cli.classify import gate
from audiocnn_cli.embeddings.clip import EmbeddingInfo, file_sha256
from audiocnn_cli.errors import InputError, ModelRefusedError, UsageError
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models.inference import ModelStream, StreamingInference
from audiocnn_cli.models.registry import ModelFile, bundled_models, find_model, own_models
from audiocnn_cli.models.session import open_model

# The bundled backbone for each type of sound that the gate names.
BACKBONES = {"music": "music", "speech": "speech", "environment": "sound"}
# The backbone for recordings of several types, which was trained on sounds of all kinds.
GENERAL = BACKBONES["environment"]
# So many recordings are read, the first seconds of each; one type decides if so many of them are of it.
_SAMPLED = 32
_SAMPLED_S = 30.0
_MAJORITY = 0.75
_OTHERWISE = "give the file of that version as `model`, or embed the recordings again"


@dataclass(frozen=True, slots=True)
class Choice:
    """The backbone for some recordings, and how many of those that were sampled are of each type of sound."""

    model: ModelFile
    types: Mapping[str, int]

    @property
    def reason(self) -> str:
        """The types of sound in words: `recordings sampled: 30 environment, 2 music`."""
        if not self.types:
            return "no type of sound was found"
        return "recordings sampled: " + ", ".join(f"{count} {name}" for name, count in self.types.items())


def choose_backbone(inputs: Iterable[Source | InputError], *, excerpt: Excerpt, workers: Workers) -> Choice:
    """The backbone for the type of sound of most of the `inputs`; the one for any sound if they are mixed.

    At most 32 inputs are read, 30 s of each: those whose names have the smallest CRC-32, so that the same
    inputs give the same choice in any order. Silence and inputs that can't be read do not count.

    Raises:
        ModelRefusedError: the gate or the backbone is not installed.
    """
    sources = (each for each in inputs if isinstance(each, Source) and each.path != STDIN)
    sampled = nsmallest(_SAMPLED, sources, key=_shuffled)
    first = min(_SAMPLED_S, excerpt.duration_s or _SAMPLED_S)
    task = SoundTypes(find_bundled(gate.GATE_MODEL).path, replace(excerpt, duration_s=first))
    found = run_batch(sampled, task, workers=workers)
    types = Counter(each for each in found if isinstance(each, str) and each)
    name, count = types.most_common(1)[0] if types else ("", 0)
    decided = count >= _MAJORITY * types.total()
    backbone = BACKBONES.get(name, GENERAL) if decided else GENERAL
    return Choice(find_bundled(backbone), dict(types.most_common()))


def _shuffled(source: Source) -> tuple[int, str]:
    """A sort key that spreads the sample over all folders."""
    return zlib.crc32(os.fsencode(source.name)), source.path


def find_bundled(name: str) -> ModelFile:
    """The bundled model of that name.

    Raises:
        ModelRefusedError: this installation lacks it.
    """
    found = next((model for model in bundled_models() if model.name == name), None)
    if found is None:
        raise ModelRefusedError(f"this installation has no bundled model {name}; give a `model`")
    return found


def model_of_set(
    info: EmbeddingInfo | None, location: str, given: str | None, *, otherwise: str = _OTHERWISE
) -> ModelFile:
    """The model that computed the vectors of the set at `location`: the one `given`, or that of its name.

    `otherwise` is the way out, for the message that it is another model.

    Raises:
        ModelRefusedError: it is not installed, or is another model or version than that of the set.
        UsageError: the set does not record its model, and none is given.
    """
    if info is None and given is not None:
        return find_model(given)
    if info is None:
        raise UsageError(f"{location}: does not record the model of its vectors; give it as `model`")
    if given is None and info.model not in {model.name for model in bundled_models() + own_models()}:
        raise ModelRefusedError(
            f"{location}: was made with the model {info.model}, which is not installed; give its file as"
            " `model`"
        )
    found = find_model(given or info.model)
    if not found.path.is_file():
        raise ModelRefusedError(f"{found.path}: no such model file")
    own = file_sha256(found.path)
    if own != info.model_sha256:
        version = "another version of " if found.name == info.model else ""
        raise ModelRefusedError(
            f"{location}: was made with {version}the model {info.model} (SHA-256 {info.model_sha256[:12]}),"
            f" not with {found.name} ({own[:12]}), and their vectors can't be compared; {otherwise}"
        )
    return found


@dataclass(frozen=True, slots=True)
class SoundTypes:
    """The batch task of `choose_backbone`: the type of sound of an excerpt; "" for silence."""

    gate: Path
    excerpt: Excerpt
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    @property
    def files(self) -> tuple[Path, ...]:
        """The model file."""
        return (self.gate,)

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with the model read from another path."""
        return replace(self, gate=moved[self.gate])

    def prepare(self) -> Callable[[Source], str]:
        """Open the model and return the function that classifies one input."""
        model = open_model(self.gate)

        def type_of(source: Source) -> str:
            with open_audio(source) as reader:
                rate = reader.info.sample_rate
                inference = StreamingInference([ModelStream(model, sparse=True)], source_rate=rate)
                for block in mono_blocks(reader, sample_rate=rate, excerpt=self.excerpt):
                    inference.push(block)
            (scores,) = inference.finish()
            return "" if scores.is_silent else gate.sound_type(scores, model).name

        return type_of
