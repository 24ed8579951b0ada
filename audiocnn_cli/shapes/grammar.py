"""The layer grammar: parse and format `conv:32@3x3/2,same,dilation=2`, and parse the same as a TOML table.

    TYPE [:ARGUMENT] [@KERNEL] [/STRIDE] [,OPTION[=VALUE]]...

The name of an option is that of the field in the layer's class, so all layers share one table of parsers.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from string import digits
from typing import Any

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.layers.elementwise import ACTIVATIONS
from audiocnn_cli.shapes.sizes import naming, shorten
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.vocabulary import ALIASES, ALWAYS_SHOWN, NEEDED, READERS, SWITCHES, WORDS, Word
from audiocnn_cli.shapes.window import MODES, Padding


class GrammarError(UsageError):
    """Text that is not a layer: the text, and the position (from 0) of the first invalid character."""

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(f"layer {shorten(text)!r}, character {position + 1}: {reason}")


def read_layer(text: str) -> Layer:
    """Parse one layer.

    Raises:
        GrammarError: `text` does not follow the grammar; the message names the character.
    """
    head = text.partition(",")[0]
    options = [(match[0], match.start()) for match in re.finditer(r"(?<=,)[^,]*", text)]
    kind, word = _word(text, head)
    if word.argument == "padding":  # amounts separated by commas are one argument
        while options and options[0][0].strip().isdigit():
            head += f",{options.pop(0)[0]}"
    parts = [*_marked(text, head, kind, word)]
    parts += [_option(text, kind, word, option, start) for option, start in _join_padding(options)]
    values: dict[str, Any] = {}
    for name, value, start in parts:
        if name in values:
            raise GrammarError(text, start, f"{name} is given twice")
        try:
            values[name] = READERS[name](value)
        except UsageError as error:
            raise GrammarError(text, start, str(error)) from error
    if word.argument in NEEDED and word.argument not in values:
        raise GrammarError(text, len(kind), f"{kind} needs its {word.argument}: {kind}:64")
    return word.layer(**{**word.presets, **values})


def _marked(text: str, head: str, kind: str, word: Word) -> Iterator[tuple[str, str, int]]:
    """The field, the value and its position, of each mark; without a kernel the first extends to the end."""
    names = _names(word.layer)
    fields = {":": word.argument, "@": "kernel", "/": "stride"}
    value = "[^:@/]*" if "kernel" in names else ".*"
    for match in re.compile(f"([:@/])({value})", re.DOTALL).finditer(head, len(kind)):
        name = fields[match[1]]
        if name not in names:
            raise GrammarError(text, match.start(), f"{kind} has no {_MARKS[match[1]]}")
        yield name, match[2], match.start(2)


_MARKS = {":": "argument after ':'", "@": "kernel", "/": "stride"}


def _word(text: str, head: str) -> tuple[str, Word]:
    end = min((head.index(mark) for mark in ":@/" if mark in head), default=len(head))
    kind = head[:end].lower()
    if kind not in WORDS:
        near = get_close_matches(kind, WORDS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(WORDS)}"
        raise GrammarError(text, 0, f"unknown layer {shorten(kind)!r}; {hint}")
    return kind, WORDS[kind]


def _join_padding(options: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Rejoin the amounts of `pad=0,1,0,1`, which were split at their commas."""
    joined: list[tuple[str, int]] = []
    for option, start in options:
        before, at = joined[-1] if joined else ("", 0)
        if option.strip().isdigit() and before[-1:].isdigit() and before.startswith(("pad", *digits)):
            joined[-1] = (f"{before},{option}", at)
        else:
            joined.append((option, start))
    return joined


def _option(text: str, kind: str, word: Word, option: str, start: int) -> tuple[str, str, int]:
    """The field, the value and its position, of one option."""
    name, equals, value = option.strip().partition("=")
    at = start + len(name) + 1
    if not equals:
        name, value, at = _bare(name), name, start
        if name in SWITCHES:
            value = "no" if name == "bias" else ""
    name = ALIASES.get(name, name)
    names = _names(word.layer)
    if name not in names:
        known = ", ".join(sorted(names - {"source"} | {"from"}))
        raise GrammarError(text, start, f"{kind} has no option {shorten(option)!r}; it has {known}")
    return name, value.strip(), at


def _bare(word: str) -> str:
    """The field that an option without '=' sets."""
    if word in ACTIVATIONS:
        return "activation"
    if word in MODES or word[:1].isdigit():
        return "padding"
    return "bias" if word == "nobias" else ALIASES.get(word, word)


def _names(layer: type[Layer]) -> set[str]:
    return set(READERS).intersection(layer.__struct_fields__)


def read_table(table: Mapping[str, Any], *, label: str) -> Layer:
    """Parse a TOML table: `{type = "conv", filters = 32, kernel = [3, 3], padding = "same"}`.

    `label` formats a key in messages: 'layers[0].{}'.

    Raises:
        UsageError: the type is missing or unknown, or the layer has no such key or value.
    """
    options = dict(table)
    kind = options.pop("type", None)
    if not isinstance(kind, str) or kind not in WORDS:
        raise UsageError(f"{label.format('type')}: {kind!r} is not one of {', '.join(WORDS)}")
    word = WORDS[kind]
    values = dict(word.presets)
    for key, value in options.items():
        name = ALIASES.get(key, key)
        if name not in _names(word.layer):
            raise UsageError(f"{label.format(key)}: {kind} has no such option")
        separator = "," if name == "padding" else "x"
        text = separator.join(map(str, value)) if isinstance(value, list) else str(value)
        with naming(label.format(key)):
            values[name] = READERS[name](text)
    if word.argument in NEEDED and word.argument not in values:
        raise UsageError(f"{label.format(word.argument)}: {kind} needs it")
    return word.layer(**values)


def show_layer(layer: Layer) -> str:
    """Format `layer` in the layer grammar; the inverse of `read_layer`."""
    fitting = [
        (name, word)
        for name, word in WORDS.items()
        if word.layer is type(layer) and all(getattr(layer, k) == v for k, v in word.presets.items())
    ]
    kind, word = max(fitting, key=lambda item: len(item[1].presets))
    defaults = zip(layer.__struct_fields__, layer.__struct_defaults__, strict=True)
    names = [name for name, default in defaults if getattr(layer, name) != default]
    changed = {name: getattr(layer, name) for name in names if name in READERS and name not in word.presets}
    text = kind
    if word.argument and (word.argument in changed or word.argument in ALWAYS_SHOWN):
        changed.pop(word.argument, None)
        text += f":{_show(getattr(layer, word.argument))}"
    if word.argument != "kernel" and hasattr(layer, "kernel"):
        changed.pop("kernel", None)
        text += f"@{_show(layer.kernel)}"
    if stride := changed.pop("stride", None):
        text += f"/{_show(stride)}"
    return ",".join([text, *(_show_option(name, value) for name, value in changed.items())])


def _show(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return ("+" if value and isinstance(value[0], str) else "x").join(map(str, value))


def _show_option(name: str, value: Any) -> str:
    if name == "activation" or isinstance(value, Padding):
        return f"pad={value}" if isinstance(value, Padding) and value.amounts else str(value)
    if isinstance(value, bool):
        short = {"return_sequences": "sequences", "bias": "nobias"}.get(name, name)
        return short if value is not (name == "bias") else f"{name}={'yes' if value else 'no'}"
    return f"{'from' if name == 'source' else name}={_show(value)}"
