"""A plan as flat settings: those of the command line, of a TOML file and of the metadata of a tensor."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from audiocnn_cli.audio.load import Excerpt
from audiocnn_cli.audio.segments import Segmentation, TailPolicy
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.config import Dialect, FeatureConfig, Statistic, feature_named
from audiocnn_cli.features.dialects import config_like
from audiocnn_cli.features.plan import Plan

# The settings beyond a FeatureConfig's fields; `feature` and `summary` are lists parted by commas.
_PLAN_TYPES: dict[str, Any] = {
    "feature": str,
    "channels": bool,
    "offset": float,
    "duration": float | None,
    "segments": int | None,
    "segment": float | None,
    "overlap": float,
    "rest": TailPolicy,
    "summary": str,
}
_NONE = "none"


def plan_from(settings: Mapping[str, Any]) -> Plan:
    """The plan of `settings`; what they leave out has the default of the dialect.

    Raises:
        UsageError: a value is out of its range.
    """
    given = dict(settings)
    like = given.pop("like", Dialect.LIBROSA)
    features = [feature_named(name) for name in _names(given.pop("feature", "mfcc"))]
    excerpt = Excerpt(given.pop("offset", 0.0), given.pop("duration", None))
    summary = tuple(_statistic(name) for name in _names(given.pop("summary", "")))
    keep_channels = given.pop("channels", False)
    segmentation = _segmentation(given)
    if not features:
        raise UsageError("`feature` must name at least one feature")
    configs = tuple(config_like(like, given | {"feature": feature}) for feature in features)
    return Plan(configs, keep_channels, excerpt, segmentation, summary)


def merged_plan(given: Mapping[str, Any], config: str | None, *, no_top_db: bool) -> Plan:
    """The plan of the TOML file `config`, with the settings in `given` that are not None in place of its own.

    Raises:
        UsageError: as `read_settings` and `plan_from`.
    """
    settings = read_settings(Path(config)) if config else {}
    settings |= {name: value for name, value in given.items() if value is not None}
    if no_top_db:
        if given.get("top_db") is not None:
            raise UsageError("give either `top_db` or `no_top_db`, not both")
        settings["top_db"] = None
    return plan_from(settings)


def settings_of(plan: Plan) -> dict[str, Any]:
    """The settings of `plan`, from which `plan_from` makes it again."""
    cut = plan.segmentation
    return asdict(plan.config) | {
        "feature": plan.feature,
        "channels": plan.keep_channels,
        "offset": plan.excerpt.offset_s,
        "duration": plan.excerpt.duration_s,
        "segments": cut.count if cut else None,
        "segment": cut.length_s if cut else None,
        "overlap": cut.overlap if cut else 0.0,
        "rest": cut.rest if cut else TailPolicy.DROP,
        "summary": ",".join(plan.summary),
    }


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a TOML file.

    Raises:
        UsageError: it can't be read, or a key or a value is invalid; the message names it.
    """
    import tomllib  # 3 ms, and only for a file

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not a TOML file ({error})") from error
    return typed_settings(document, origin=str(path))


def typed_settings(document: Mapping[str, Any], *, origin: str) -> dict[str, Any]:
    """Settings from the plain values of TOML or of a tensor's metadata, as `plan_from` takes them.

    Raises:
        UsageError: a key or a value is invalid; the message names it and `origin`.
    """
    import msgspec

    types = get_type_hints(FeatureConfig) | _PLAN_TYPES
    settings = {}
    for key, value in document.items():
        if key not in types:
            raise UsageError(f"{origin}: unknown setting {key!r}; one of {', '.join(types)}")
        try:
            absent = value == _NONE and type(None) in get_args(types[key])
            settings[key] = msgspec.convert(None if absent else value, types[key])
        except msgspec.ValidationError as error:
            raise UsageError(f"{origin}: {key}: {error}") from error
    return settings


def settings_toml(plan: Plan) -> str:
    """`plan` as a TOML file that `read_settings` reads."""
    defaults = {field.name: field.default for field in fields(FeatureConfig)}
    lines = ["# audiocnn features --config THIS_FILE"]
    for key, value in settings_of(plan).items():
        if value is not None:
            lines.append(f"{key} = {json.dumps(value)}")  # for such values JSON is TOML
        elif defaults.get(key) is not None:
            lines.append(f'{key} = "{_NONE}"')
    return "\n".join(lines) + "\n"


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _statistic(name: str) -> Statistic:
    try:
        return Statistic(name)
    except ValueError as error:
        raise UsageError(f"unknown statistic {name!r}; one of {', '.join(Statistic)}") from error


def _segmentation(given: dict[str, Any]) -> Segmentation | None:
    """The segmentation of `given`, from which its settings are removed."""
    count, length = given.pop("segments", None), given.pop("segment", None)
    overlap, rest = given.pop("overlap", 0.0), given.pop("rest", TailPolicy.DROP)
    if count is None and length is None:
        if overlap or rest is not TailPolicy.DROP:
            raise UsageError("`overlap` and `rest` are for segments: give `segments` or `segment` too")
        return None
    return Segmentation(count, length, overlap, rest)
