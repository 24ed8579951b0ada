"""docs/features.md names every feature and every setting, and its example settings are read."""

import re
from pathlib import Path

from audiocnn_cli.features.config import Feature
from audiocnn_cli.features.settings import plan_from, read_settings, settings_of

DOCS = Path(__file__).parent.parent / "docs" / "features.md"


def test_every_feature_is_defined() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert documented == [str(feature) for feature in Feature]


def test_the_settings_are_all_there_and_read(tmp_path: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    settings = re.findall(r'(\w+) = ("[^"]*"|[\w.]+)', text.split("A file can hold any of:")[1])
    names = [name for name, _ in settings]
    assert sorted(names) == sorted(settings_of(plan_from({})))
    toml = tmp_path / "all.toml"
    toml.write_text("\n".join(f"{k} = {v}" for k, v in settings if k != "segments"))
    assert plan_from(read_settings(toml)).feature == "mfcc,rms"
