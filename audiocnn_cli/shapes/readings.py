"""What text that has two readings may mean: the sentences that refuse it, or the one reading that it has."""

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.sizes import shorten
from audiocnn_cli.shapes.spelling import layer_name, squeeze
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.vocabulary import READERS, WORDS, Word


class GrammarError(UsageError):
    """Text that is not a layer: the text, and the position (from 0) of the first invalid character."""

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(f"layer {shorten(text)!r}, character {position + 1}: {reason}")


def options_of(layer: type[Layer]) -> set[str]:
    """The options of a layer: its fields that text can set."""
    return set(READERS).intersection(layer.__struct_fields__)


EXAMPLES = {"shape": "130x13", "order": "2x1", "inputs": "a+b", "table": "10000x64", "heads": "8"}


def example(name: str) -> str:
    """How a layer of that name is written."""
    word = WORDS.get(layer_name(name))
    if word is None:
        return "write TYPE:ARGUMENT@KERNEL/STRIDE,OPTION=VALUE, as in conv:32@3x3/2,same"
    kernel = "@3x3" if "kernel" in word.layer.__struct_fields__ and word.argument != "kernel" else ""
    argument = {"kernel": "2", "rate": "0.5", "size": "2", "padding": "1", None: ""}.get(
        word.argument, EXAMPLES.get(word.argument or "", "64")
    )
    return f"write {name}{':' if argument else ''}{argument}{kernel}"


def check_order(text: str, name: str, value: str) -> None:
    """PyTorch's ZeroPad2d takes its four numbers in another order than the grammar."""
    numbers = [part.strip() for part in value.split(",")]
    if squeeze(name) == "zeropad2d" and len(numbers) == 4 and numbers[:2] != numbers[2:]:
        there = ",".join((*numbers[2:], *numbers[:2]))
        raise GrammarError(
            text,
            len(name),
            f"the numbers of ZeroPad2d are left, right, top, bottom in PyTorch, here zeropad:{there};"
            f" zeropad:{value} is top, bottom, left, right",
        )


def second_number(
    text: str, kind: str, word: Word, number: str, start: int, marked: list[tuple[str, str, int]]
) -> tuple[str, str, int]:
    """A number after a comma: the stride of a pooling where both readings agree, else refused with them."""
    given = {name: value for name, value, _ in marked}
    kernel = given.get("kernel")
    if word.argument == "kernel" and kernel is not None and "stride" not in given:
        if kernel == number:  # a window of 2x2, or of 2 by a stride of 2, is the same
            return "stride", number, start
        readings = f"a window of {kernel} by a stride of {number} ({kind}:{kernel}/{number})"
        other = f"a window of {kernel}x{number} ({kind}:{kernel}x{number})"
        raise GrammarError(text, start, f"{number} is either {readings} or {other}; padding is pad={number}")
    if "kernel" not in options_of(word.layer):
        hint = " (a decimal has a point)" if word.argument == "rate" else ", besides that of its input"
        raise GrammarError(text, start, f"{kind} has one number{hint}; {number!r} is no option")
    base = f"{kind}:{given[word.argument]}" if word.argument in given else kind
    if "stride" in given:
        raise GrammarError(text, start, f"a number after a comma is no option; the padding is pad={number}")
    if kernel is None:
        raise GrammarError(
            text, start, f"{number} is either the kernel ({base}@{number}) or the padding (pad={number})"
        )
    raise GrammarError(
        text,
        start,
        f"{number} is either the kernel's second size ({base}@{kernel}x{number}), the stride"
        f" ({base}@{kernel}/{number}) or the padding (pad={number})",
    )
