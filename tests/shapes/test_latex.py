"""`--latex`: a table and formulas that LaTeX compiles, whatever the names of the layers."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.code.latex import escape, formula_in_latex, latex_of
from audiocnn_cli.shapes.code.write import latex_of_request
from audiocnn_cli.shapes.grammar import read_layer
from audiocnn_cli.shapes.trace import trace
from audiocnn_cli.shapes.work_out import StackRequest
from tests.shapes.random_stacks import STACKS, random_stack

DOCUMENT = r"""\documentclass{article}
\usepackage{amsmath, longtable}
\begin{document}
%s
\end{document}
"""


def test_a_formula_has_a_fraction_and_floor_brackets() -> None:
    assert formula_in_latex("floor((130 - 3 + 0)/2) + 1 = 64") == (
        r"\left\lfloor \frac{130 - 3 + 0}{2} \right\rfloor + 1 = 64"
    )
    assert formula_in_latex("3*3*1*8 + 8 = 80 parameters").startswith(r"3 \cdot 3 \cdot 1 \cdot 8 + 8 = 80")


def test_the_table_has_every_layer_and_the_totals() -> None:
    text = latex_of_request(StackRequest(arch="cnn"))
    for part in ("conv:32@3x3,relu", "128 \\times 11 \\times 32", "298,186", "course notes"):
        assert part in text


@given(st.text())
def test_any_name_is_escaped(name: str) -> None:
    plain = re.sub(r"\\[a-z]+\{\}|\\.", "", escape(name))
    assert not set(plain) & set("&%$#_{}~^\\")
    assert plain.isascii()
    assert plain.isprintable()


def test_braces_and_environments_are_closed() -> None:
    for number in range(60):
        shape, texts = random_stack(number, Framework.KERAS)
        text = latex_of(trace(tuple(map(read_layer, texts)), shape))
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")
        assert text.count("$") % 2 == text.count(r"\$") % 2
        assert text.count(r"\left") == text.count(r"\right")
        assert text.count(r"\begin{") == text.count(r"\end{")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_it_compiles(tmp_path: Path) -> None:
    requests = [
        StackRequest(arch=name) for name in ("cnn", "vitb16", "ssd300-vgg16", "pixelrnn", "crnn", "gpt2")
    ]
    requests += [StackRequest(input_shape=shape, layers=tuple(text.split())) for shape, text in STACKS]
    requests.append(
        StackRequest(input_shape="9x9x1", layers=(r"conv:2@3,name=a_b%#{\x}~^$&<>", "maxpool:2,ceil"))
    )
    body = "\n".join(latex_of_request(request) for request in requests)
    for number in range(40):
        shape, texts = random_stack(number, Framework.TORCH)
        body += latex_of(trace(tuple(map(read_layer, texts)), shape, framework=Framework.TORCH))
    (tmp_path / "stack.tex").write_text(DOCUMENT % body)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "stack.tex"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
