"""The user's own models: a file that keeps its promises is put beside the bundled ones, or taken away."""

import re
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.errors import ModelRefusedError, OutputError, UsageError
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.models.golden import check_golden
from audiocnn_cli.models.registry import ModelFile, Origin, bundled_models, own_folder, own_models
from audiocnn_cli.models.session import open_model

# A name that is a file's name on every system, and no option of a command.
_NAME = re.compile(r"[^\W_][\w .+-]{0,99}(?<![ .])")


@dataclass(frozen=True, slots=True)
class AddedModel:
    """A model that was added, and whether it took the place of one of the same name."""

    model: ModelFile
    replaced: bool


def add_model(file: Path, *, force: bool) -> AddedModel:
    """Copy the model at `file`, and the card beside it, under the name that its contract gives it.

    Raises:
        ModelRefusedError: its contract does not hold, its golden example differs, or its weights lie in
            other files.
        UsageError: its name is that of a bundled model, or can't be a file's.
        OutputError: there is one of that name already and not `force`, or it can't be written.
    """
    opened = open_model(file)
    check_golden(opened).require(file)
    name = opened.contract.name
    _require_usable(name, file)
    _require_whole(file)
    target = ModelFile(name, own_folder() / f"{name}.onnx", Origin.OWN)
    if target.path.exists() and not force:
        raise OutputError(
            f"{name}: you have a model of that name already; --force replaces it, or remove it first"
        )
    replaced = target.path.exists()
    source = ModelFile(file.stem, file)
    with ExitStack() as files:
        if source.card.is_file():
            card = files.enter_context(atomic_writer(target.card, "wb", force=True))
            card.write(source.card.read_bytes())
        model = files.enter_context(atomic_writer(target.path, "wb", force=force))
        model.write(file.read_bytes())
    if not source.card.is_file():
        target.card.unlink(missing_ok=True)  # the card of the one that was replaced
    return AddedModel(target, replaced)


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
            raise UsageError(
                f"{name}: is bundled with audiocnn; only your own models can be removed"
            )
        raise ModelRefusedError(
            f"{name}: you have no model of that name; yours are {', '.join(own) or 'none'}"
        )
    try:
        own[name].path.unlink()
        own[name].card.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{own[name].path}: can't be removed ({error.strerror})") from error
    return own[name]


def _require_usable(name: str, file: Path) -> None:
    if name in {model.name for model in bundled_models()}:
        raise UsageError(
            f"{file}: {name} is the name of a bundled model; give yours another (`audiocnn train --name`), or"
            " use it by its path"
        )
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{file}: its name {name!r} can't be a file's; use letters, digits, spaces and .+-_ (`audiocnn"
            " train --name`)"
        )


def _require_whole(file: Path) -> None:
    """Weights in files of their own (ONNX's external data) would stay behind."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copy(file, scratch))
        try:
            open_model(copy)
        except ModelRefusedError as error:
            raise ModelRefusedError(
                f"{file}: works only in its own folder, beside files that hold its weights; save it as one"
                " file"
            ) from error
