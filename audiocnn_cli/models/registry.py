"""Models by name: those that ship with the package, and files."""

from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.errors import ModelRefusedError

DEFAULT_MODEL = "genre-cnn"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file and the name that the command line knows it by."""

    name: str
    path: Path

    @property
    def card(self) -> Path:
        """The Markdown card beside the file; it may be missing."""
        return self.path.with_suffix(".md")


def bundled_folder() -> Path:
    """Where the bundled models lie: inside an installed wheel, or at the top of a checkout."""
    installed = Path(__file__).parent / "bundled"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "models"


def bundled_models() -> list[ModelFile]:
    """The models that ship with the package, in name order."""
    return [ModelFile(path.stem, path) for path in sorted(bundled_folder().glob("*.onnx"))]


def find_model(name_or_path: str) -> ModelFile:
    """The model that a name or a path of an .onnx file means.

    Raises:
        ModelRefusedError: there is neither.
    """
    bundled = {model.name: model for model in bundled_models()}
    if name_or_path in bundled:
        return bundled[name_or_path]
    path = Path(name_or_path)
    if path.suffix == ".onnx" or path.is_file():
        return ModelFile(path.stem, path)
    raise ModelRefusedError(
        f"{name_or_path}: no model of that name; bundled are {', '.join(bundled) or 'none'}, or give the"
        " path of an .onnx file"
    )
