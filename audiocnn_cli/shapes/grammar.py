"""The layer grammar: parse and format `conv:32@3x3/2,same,dilation=2`, and parse the same as a TOML table.

    TYPE [:ARGUMENT] [@KERNEL] [/STRIDE] [,OPTION[=VALUE]]...

The name of an option is that of the field in the layer's class, so all layers share one table of parsers.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from msgspec.structs import replace

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.layers.elementwise import ACTIVATIONS
from audiocnn_cli.shapes.readings import (
    EXAMPLES,
    GrammarError,
    check_order,
    example,
    options_of,
    second_number,
)
from audiocnn_cli.shapes.sizes import naming, shorten
from audiocnn_cli.shapes.spelling import (
    OPTIONS,
    activation_name,
    is_bidirectional,
    layer_name,
    option_name,
    plain_value,
    split_options,
    squeeze,
    unquote,
)
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.vocabulary import ALWAYS_SHOWN, BASIC_WORDS, NEEDED, READERS, SWITCHES, WORDS, Word
from audiocnn_cli.shapes.window import MODES, Padding


def read_layer(text: str) -> Layer:
    """Parse one layer.

    Raises:
        GrammarError: `text` does not follow the grammar; the message names the character.
    """
    text = text.strip().replace("\N{MULTIPLICATION SIGN}", "x")
    kind, colon, rest = text.partition(":")
    if colon and squeeze(kind) == "activation":  # Activation:relu
        text = unquote(rest)
    (head, _), *options = split_options(text)
    if _CALL.match(head):
        name = head.partition("(")[0].strip()
        raise GrammarError(text, len(name), f"a layer has no brackets after its name; {example(name)}")
    kind, word = _word(text, head)
    if word.argument == "padding":  # amounts separated by commas are one argument
        while options and options[0][0].strip().isdigit():
            head += f",{options.pop(0)[0]}"
        check_order(text, *head.partition(":")[::2])
    elif word.argument in _MANY_SIZES:  # so are sizes in a row
        while ":" in head and options and options[0][0].strip().isdigit():
            head += f"x{options.pop(0)[0].strip()}"
    parts = [*_marked(text, head, kind, word)]
    parts += [_option(text, kind, word, option, start, parts) for option, start in _join_padding(options)]
    return _layer(text, kind, word, parts)


def _layer(text: str, kind: str, word: Word, parts: list[tuple[str, str, int]]) -> Layer:
    """The layer of `kind` with the field, the value and its position of each of `parts`."""
    values: dict[str, Any] = {}
    for name, value, start in parts:
        if name in values:
            raise GrammarError(text, start, f"{name} is given twice")
        try:
            plain = unquote(value) if name in _AS_THEY_ARE else plain_value(value)
            if name in {"stride", "activation"} and plain.lower() == "none":  # the default
                continue
            values[name] = READERS[name](plain)
        except UsageError as error:
            raise GrammarError(text, start, str(error)) from error
    if word.argument in NEEDED and word.argument not in values:
        if squeeze(text.partition(",")[0]) == "linear":
            raise GrammarError(
                text,
                0,
                "Linear needs its units, linear:64; Keras' activation that changes nothing is identity",
            )
        size = EXAMPLES.get(word.argument or "", "64")
        raise GrammarError(text, len(kind), f"{kind} needs its {word.argument}: {kind}:{size}")
    return word.layer(**{**word.presets, **values})


_MANY_SIZES = {"table", "shape", "order", "size"}
# Names may have brackets in them; a padding parses its own.
_AS_THEY_ARE = {"name", "source", "weights", "inputs", "padding"}
_CALL = re.compile(r"\s*[\w.]+\s*\(")


def _marked(text: str, head: str, kind: str, word: Word) -> Iterator[tuple[str, str, int]]:
    """The field, the value and its position, of each mark; without a kernel the first extends to the end."""
    names = options_of(word.layer)
    fields = {":": word.argument, "@": "kernel", "/": "stride"}
    value = "[^:@/]*" if "kernel" in names else ".*"
    begin = min((head.index(mark) for mark in ":@/" if mark in head), default=len(head))
    for match in re.compile(f"([:@/])({value})", re.DOTALL).finditer(head, begin):
        name = fields[match[1]]
        option, equals, given = match[2].partition("=")
        if equals and option_name(option) in names:  # the first option after the colon
            yield option_name(option), given.strip(), match.start(2)
            continue
        if name not in names:
            hint = "; it has the channels of its input" if match[1] == ":" and match[2].isdigit() else ""
            raise GrammarError(text, match.start(), f"{kind} has no {_MARKS[match[1]]}{hint}")
        yield name, match[2].strip(), match.start(2)


_MARKS = {":": "argument after ':'", "@": "kernel", "/": "stride"}


def _word(text: str, head: str) -> tuple[str, Word]:
    end = min((head.index(mark) for mark in ":@/" if mark in head), default=len(head))
    kind = layer_name(head[:end])
    if kind not in WORDS:
        if kind in {"input", "inputlayer"}:
            raise GrammarError(text, 0, "the input is no layer; give its shape as `input_shape`")
        near = get_close_matches(kind, WORDS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(BASIC_WORDS)}"
        raise GrammarError(text, 0, f"unknown layer {shorten(head[:end].strip())!r}; {hint}")
    word = WORDS[kind]
    if is_bidirectional(head[:end]):
        word = replace(word, presets={**word.presets, "bidirectional": True})
    return kind, word


def _join_padding(options: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Rejoin the amounts of `pad=0,1,0,1`, which were split at their commas."""
    joined: list[tuple[str, int]] = []
    for option, start in options:
        before, at = joined[-1] if joined else ("", 0)
        if option.strip().isdigit() and before[-1:].isdigit() and before.strip().startswith("pad"):
            joined[-1] = (f"{before},{option}", at)
        else:
            joined.append((option, start))
    return joined


def _option(
    text: str, kind: str, word: Word, option: str, start: int, marked: list[tuple[str, str, int]]
) -> tuple[str, str, int]:
    """The field, the value and its position, of one option."""
    name, equals, value = option.partition("=")
    at = start + len(name) + 1
    names = options_of(word.layer)
    if not equals:
        bare = unquote(name)
        if bare[:1].isdigit():
            return second_number(text, kind, word, bare, start, marked)
        name, value, at = _bare(bare, names), bare, start
        if name in SWITCHES:
            value = "no" if name == "bias" else ""
    else:
        try:
            name = option_name(name)
        except UsageError as error:
            raise GrammarError(text, start, str(error)) from error
    if name not in names:
        known = ", ".join(sorted(names - {"source", "weights"} | {"from", "weights"}))
        raise GrammarError(text, start, f"{kind} has no option {shorten(option.strip())!r}; it has {known}")
    return name, value.strip(), at


def _bare(word: str, names: set[str]) -> str:
    """The field that an option without '=' sets."""
    plain = word.lower()
    if plain in names:
        return plain
    if activation_name(word) in ACTIVATIONS:
        return "activation"
    if plain.replace("_", "-") in MODES:
        return "padding"
    return "bias" if plain == "nobias" else OPTIONS.get(plain, plain)


def read_table(table: Mapping[str, Any], *, label: str) -> Layer:
    """Parse a TOML table: `{type = "conv", filters = 32, kernel = [3, 3], padding = "same"}`.

    `label` formats a key in messages: 'layers[0].{}'.

    Raises:
        UsageError: the type is missing or unknown, or the layer has no such key or value.
    """
    options = dict(table)
    given = options.pop("type", None)
    kind = layer_name(given) if isinstance(given, str) else ""
    if kind not in WORDS:
        raise UsageError(f"{label.format('type')}: {given!r} is not one of {', '.join(BASIC_WORDS)}")
    word = WORDS[kind]
    values = dict(word.presets)
    for key, value in options.items():
        name = OPTIONS.get(key, key)
        if name not in options_of(word.layer):
            raise UsageError(f"{label.format(key)}: {kind} has no such option")
        separator = "," if name == "padding" else "x"
        text = separator.join(map(str, value)) if isinstance(value, list) else str(value)
        if name in {"kernel", "stride", "dilation"}:
            text = text.replace(",", "x") if "(" not in text else text
        with naming(label.format(key)):
            values[name] = READERS[name](text if name in _AS_THEY_ARE else plain_value(text))
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
