"""A stack as a LaTeX table, with the formulas of every layer under it."""

import re
from collections.abc import Iterator

from audiocnn_cli.shapes.sizes import Shape, Sizes
from audiocnn_cli.shapes.step import Step
from audiocnn_cli.shapes.trace import Trace

_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
# The functions of a formula and their LaTeX, in either case with one pair of brackets after them.
_ROUNDED = {"floor": (r"\left\lfloor ", r" \right\rfloor"), "ceil": (r"\left\lceil ", r" \right\rceil")}


def latex_of(trace: Trace, paper: str = "") -> str:
    """The table and the formulas; the packages that it needs are in a comment."""
    return "\n".join([*_table(trace, paper), "", *_formulas(trace), ""])


def escape(text: str) -> str:
    """`text` with the characters that LaTeX reads as commands escaped; others than printable ASCII are ?."""
    plain = text.replace("\N{MULTIPLICATION SIGN}", "x")
    return "".join(_SPECIAL.get(c, c if " " <= c <= "~" else "?") for c in plain)


def _table(trace: Trace, paper: str) -> Iterator[str]:
    yield r"% In the preamble: \usepackage{amsmath, longtable}"
    yield r"\begin{longtable}{rllrrl}"
    caption = escape(trace.title or "Layers and the shapes after them")
    if paper:
        caption += f" ({escape(paper)})"
    yield rf"\caption{{{caption}. Rules: {trace.framework.label}.}} \\"
    yield r"\hline"
    yield r"\# & Layer & Output & Parameters & MACs & Receptive field \\"
    yield r"\hline"
    yield r"\endhead"
    yield rf" & input & {_shape(trace.input)} & & & \\"
    for step in trace.steps:
        cells = (
            str(step.number),
            rf"\texttt{{{escape(step.text)}}}",
            _shape(step.output),
            _count(step.params),
            "?" if step.macs is None else _count(step.macs),
            f"all, {_shape(step.receptive_field)}" if step.gate else _shape(step.receptive_field),
        )
        yield " & ".join(cells) + r" \\"
    if len(trace.ends) > 1:
        for name, shape in trace.ends:
            yield rf" & output \texttt{{{escape(name)}}} & {_shape(shape)} & & & \\"
    yield r"\hline"
    output = _shape(trace.output) if len(trace.ends) < 2 else ""
    yield rf" & total & {output} & {_count(trace.params)} & {_count(trace.macs)} & \\"
    yield r"\hline"
    yield r"\end{longtable}"


def _formulas(trace: Trace) -> Iterator[str]:
    steps = [step for step in trace.steps if step.formula]
    if not steps:
        return
    yield r"\begin{description}"
    for step in steps:
        yield rf"\item[{step.number}. \texttt{{{escape(step.text)}}}] {_lines(step)}"
    yield r"\end{description}"


def _lines(step: Step) -> str:
    """The formulas of a layer; one that all axes share is there once."""
    lines = list(dict.fromkeys(step.formula))
    return r" \\ ".join(rf"${formula_in_latex(line)}$" for line in lines)


def formula_in_latex(formula: str) -> str:
    """A formula in LaTeX: 'floor((130 - 3 + 0)/1) + 1 = 128' with a fraction and floor brackets.

    Words stay upright text.
    """
    fraction = re.sub(
        r"(floor|ceil)\(\(([^()]*)\)/(\d+)\)",
        lambda found: _brackets(found[1], rf"\frac{{{_math(found[2])}}}{{{found[3]}}}"),
        formula,
    )
    parts = re.split(r"(\\left\\l(?:floor|ceil) .*?\\right\\r(?:floor|ceil))", fraction)
    return "".join(part if part.startswith("\\left") else _math(part) for part in parts)


def _brackets(function: str, inside: str) -> str:
    first, last = _ROUNDED[function]
    return f"{first}{inside}{last}"


def _math(text: str) -> str:
    """Numbers and signs as mathematics, all words as text."""
    pieces = re.findall(r"[A-Za-z_][^\d+*/=()<>-]*|[^A-Za-z_]+", text)
    return "".join(
        rf"\;\text{{{escape(piece)}}}" if piece[:1].isalpha() or piece[:1] == "_" else _signs(piece)
        for piece in pieces
    )


def _signs(piece: str) -> str:
    escaped = "".join(_SPECIAL[c] if c in "&%$#_{}" else c for c in piece if " " <= c <= "~" and c != "\\")
    return escaped.replace("*", r" \cdot ").replace("^", r"\hat{}")


def _shape(shape: Shape | Sizes) -> str:
    return "$" + r" \times ".join(map(_size, shape)) + "$" if shape else ""


def _size(size: int | str) -> str:
    return str(size) if isinstance(size, int) else rf"\text{{{escape(size)}}}"


def _count(number: int) -> str:
    return f"{number:,}"
