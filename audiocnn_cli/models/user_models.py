"""The user's own models: add a checked model file to them, or remove one."""

import re
import shlex
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.errors import ModelRefusedError, OutputError, UsageError
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.models.adopt import adopt, content_with
from audiocnn_cli.models.contract import ModelContract, encode
from audiocnn_cli.models.description import Description
from audiocnn_cli.models.golden import check_golden
from audiocnn_cli.models.registry import ModelFile, Origin, bundled_models, own_folder, own_models
from audiocnn_cli.models.session import Model, contract_document, open_model

# A file name on every system that is not mistaken for an option.
_NAME = re.compile(r"[^\W_][\w .+-]{0,99}(?<![ .])")


@dataclass(frozen=True, slots=True)
class AddedModel:
    """A model that was added, its contract, and whether it replaced one of the same name."""

    model: ModelFile
    contract: ModelContract
    replaced: bool


def add_model(
    file: Path, description: Description | None = None, *, output: Path | None = None, force: bool
) -> AddedModel:
    """Copy the model at `file` to the user's models, under the name in its contract, or to `output`.

    With a `description` the copy gets a contract made from it, and a card; without one the file must have a
    contract, and the card beside it is copied too. Weights that `file` keeps in other files are put into the
    copy.

    Raises:
        ModelRefusedError: the contract does not hold, or the golden example differs.
        UsageError: the name is that of a bundled model or can't be a file name, or as `adopt`.
        OutputError: there is a model of that name already and not `force`, or it can't be written.
    """
    if description is None:
        opened = open_model(file)
        check_golden(opened).require(file)
    else:
        opened = adopt(file, description)
    target = _target(opened, output)
    replaced = target.path.exists()
    if replaced and output is None and not force:
        raise OutputError(
            f"{target.name}: you have a model of that name already; replace it with `force=True`, or remove"
            " it first"
        )
    content = content_with(contract_document(opened.session) or encode(opened.contract), file)
    source = ModelFile(file.stem, file)
    card: bytes | None = None
    if description is not None:
        reference = target.name if output is None else str(output)
        card = card_of(opened.contract, file.name, reference).encode()
    elif source.card.is_file():
        card = source.card.read_bytes()
    with ExitStack() as files:
        if card is not None:
            writer = atomic_writer(target.card, "wb", force=force or output is None)
            files.enter_context(writer).write(card)
        files.enter_context(atomic_writer(target.path, "wb", force=force)).write(content)
    if card is None and output is None:
        target.card.unlink(missing_ok=True)  # the card of the model that was replaced
    return AddedModel(target, opened.contract, replaced)


def remove_model(name: str) -> ModelFile:
    """Delete the user's own model of that name, and its card.

    Raises:
        UsageError: it is a bundled one.
        ModelRefusedError: there is none of that name.
        OutputError: it can't be deleted.
    """
    own = {model.name: model for model in own_models()}
    if name not in own:
        if name in {model.name for model in bundled_models()}:
            raise UsageError(f"{name}: is bundled with audiocnn; only your own models can be removed")
        raise ModelRefusedError(
            f"{name}: you have no model of that name; yours are {', '.join(own) or 'none'}"
        )
    try:
        own[name].path.unlink()
        own[name].card.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{own[name].path}: can't be removed ({error.strerror})") from error
    return own[name]


def card_of(contract: ModelContract, source: str, reference: str) -> str:
    """The Markdown card of a model from elsewhere.

    `source` is the name of the file that it was added from, `reference` what `--model` takes.
    """
    frames, bins = contract.input_shape[:2]
    features = contract.features
    return f"""# {contract.name}

Task: {contract.task}. Labels: {", ".join(contract.labels)}.

| | |
|---|---|
| input | {frames} x {bins}: {features.feature} of {contract.segment_s:g} s at {features.sample_rate} Hz |
| output | {contract.activation} of each segment, {contract.pooling} over the segments |
| data | {contract.data.name} |
| licence of the data | {contract.data.licence} |
| added from | `{source}` by `{contract.command}` |

## Accuracy

Not measured. Measure it on labelled recordings that it was not trained on, in a folder for each label:

    audiocnn evaluate RECORDINGS/ --model {shlex.quote(reference)}

The golden example shows that the file gives the same probabilities everywhere, not that its labels and
features are those of its training: other features lower the accuracy without any error.
"""


def _target(opened: Model, output: Path | None) -> ModelFile:
    name = opened.contract.name
    if output is not None:
        if output.suffix != ".onnx":
            raise UsageError(f"`output={output}`: the name of a model file ends in .onnx")
        return ModelFile(name, output)
    if name in {model.name for model in bundled_models()}:
        raise UsageError(
            f"{opened.path}: {name} is the name of a bundled model; give yours another `name`, or use it by"
            " its path"
        )
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{opened.path}: {name!r} can't be a file name; give a `name` of letters, digits, spaces and .+-_"
        )
    return ModelFile(name, own_folder() / f"{name}.onnx", Origin.OWN)
