"""Models by name: the bundled ones, the user's own, and files."""

import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from audiocnn_cli.errors import ModelRefusedError

# The bundled model of commands that need a single one.
DEFAULT_MODEL = "genre"
# In place of a name: the model for the type of sound, the default of `classify`.
AUTO = "auto"
# The bundled model that `auto` takes for a type of sound; other types are labelled with their name.
MODEL_FOR_TYPE = {"music": DEFAULT_MODEL, "environment": "environment"}

_log = logging.getLogger("audiocnn")


class Origin(StrEnum):
    """Where a model comes from."""

    BUNDLED = "bundled"
    OWN = "own"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file, and its name on the command line."""

    name: str
    path: Path
    origin: Origin = Origin.FILE

    @property
    def card(self) -> Path:
        """The Markdown card beside the file; it may be missing."""
        return self.path.with_suffix(".md")


def bundled_folder() -> Path:
    """The folder of the bundled models: inside an installed wheel, or at the top of a checkout."""
    installed = Path(__file__).parent / "bundled"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "models"


def own_folder() -> Path:
    """The folder of the user's own models; it may be missing until the first is added."""
    from platformdirs import user_data_path

    return user_data_path("audiocnn", appauthor=False) / "models"


def bundled_models() -> list[ModelFile]:
    """The models that ship with the package, in name order."""
    return _models_in(bundled_folder(), Origin.BUNDLED)


def own_models() -> list[ModelFile]:
    """The models that the user has added, in name order."""
    return _models_in(own_folder(), Origin.OWN)


def is_installed(path: Path) -> bool:
    """Whether a model is bundled or was added by the user, so that its graph was checked before."""
    return path.parent in (bundled_folder(), own_folder())


def find_model(name_or_path: str) -> ModelFile:
    """The model of that name, a bundled one before the user's own, or the file at that path.

    Raises:
        ModelRefusedError: there is neither.
    """
    known = bundled_models() + own_models()
    named = [model for model in known if model.name == name_or_path]
    if len(named) > 1:
        _log.warning(
            "%s: the bundled model is used; your own model of that name is %s", named[0].name, named[1].path
        )
    if named:
        return named[0]
    path = Path(name_or_path)
    if path.suffix == ".onnx" or path.is_file():
        return ModelFile(path.stem, path)
    names = ", ".join(model.name for model in known) or "none"
    raise ModelRefusedError(
        f"{name_or_path}: no model of that name; available: {names}; or give the path of an .onnx file"
    )


def _models_in(folder: Path, origin: Origin) -> list[ModelFile]:
    return [ModelFile(path.stem, path, origin) for path in sorted(folder.glob("*.onnx"), key=_stem)]


def _stem(path: Path) -> str:
    return path.stem
