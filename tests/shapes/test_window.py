"""The window arithmetic against a window that is really slid along an axis."""

import re
from math import prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from audiocnn_cli.shapes.grammar import read_layer
from audiocnn_cli.shapes.sizes import smallest
from audiocnn_cli.shapes.step import MisfitError, ShapeError
from audiocnn_cli.shapes.trace import trace
from audiocnn_cli.shapes.window import Padding, Sliding, read_padding

SIZE = st.integers(1, 60)
KERNEL = st.integers(1, 9)
STRIDE = st.integers(1, 5)
DILATION = st.integers(1, 4)
PAD = st.integers(0, 4)


def slid(padded: int, *, kernel: int, stride: int, dilation: int) -> int:
    """How many times a window fits, found by moving it until its last weight is outside."""
    count = start = 0
    while start + dilation * (kernel - 1) < padded:
        count += 1
        start += stride
    return count


@given(SIZE, KERNEL, STRIDE, DILATION, PAD, PAD)
def test_output_size_is_how_often_the_window_fits(
    size: int, kernel: int, stride: int, dilation: int, before: int, after: int
) -> None:
    padding = Padding("explicit", (before, after))
    expected = slid(size + before + after, kernel=kernel, stride=stride, dilation=dilation)
    sliding = Sliding((kernel,), (stride,), (dilation,), padding)
    if not expected:
        with pytest.raises(MisfitError) as raised:
            sliding.over((size,))
        assert raised.value.axis == 0
        return
    (slide,) = sliding.over((size,))
    assert slide.output == expected


@given(SIZE, KERNEL, STRIDE, DILATION)
def test_same_padding_is_the_least_that_gives_ceil_of_size_over_stride(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    (slide,) = Sliding((kernel,), (stride,), (dilation,), Padding("same")).over((size,))
    assert slide.output == -(-size // stride)
    added = slide.before + slide.after
    assert 0 <= slide.after - slide.before <= 1
    # One less would lose the last window, or there is nothing to add.
    fewer = slid(size + added - 1, kernel=kernel, stride=stride, dilation=dilation)
    assert added == 0 or fewer < slide.output


@given(SIZE, KERNEL, STRIDE, PAD)
def test_ceil_mode_keeps_each_window_that_starts_on_the_input(
    size: int, kernel: int, stride: int, pad: int
) -> None:
    """A partial window counts when it starts on the input or on the padding before it."""
    assume(2 * pad <= kernel)  # PyTorch refuses more
    starts = [
        start
        for start in range(0, size + pad, stride)
        if start == 0 or covers_new(start, size=size, kernel=kernel, stride=stride, pad=pad)
    ]
    sliding = Sliding((kernel,), (stride,), padding=Padding("explicit", (pad,)), ceil=True)
    try:
        (slide,) = sliding.over((size,))
    except MisfitError:
        assert size + 2 * pad < kernel
        return
    assert slide.output == len(starts)


def covers_new(start: int, *, size: int, kernel: int, stride: int, pad: int) -> bool:
    """Whether the window before this one left something of the padded input uncovered."""
    return start - stride + kernel < size + 2 * pad


@given(SIZE, KERNEL, STRIDE, DILATION, st.sampled_from(["valid", "same", "causal", "pad=2", "pad=1,0"]))
def test_the_numbers_of_the_formula_are_right(
    size: int, kernel: int, stride: int, dilation: int, padding: str
) -> None:
    """Each printed formula, evaluated as arithmetic, gives the number after its equals sign."""
    layer = read_layer(f"conv1d:3@{kernel}/{stride},{padding},dilation={dilation}")
    try:
        (step,) = trace([layer], (size, 2)).steps
    except ShapeError as error:
        assert "below 1" in error.reason
        return
    window, weights = step.formula
    terms = re.fullmatch(
        r"floor\(\((\d+) - (\d+) \+ (\d+)\)/(\d+)\) \+ 1 = (\d+)(, with \2 = (\d+)\*\((\d+) - 1\) \+ 1)?",
        window,
    )
    assert terms, window
    n, effective, added, step_size, result = (int(terms[i]) for i in range(1, 6))
    assert (n - effective + added) // step_size + 1 == result == step.output[0]
    assert effective == dilation * (kernel - 1) + 1
    assert weights == f"{kernel}*2*3 + 3 = {kernel * 6 + 3} parameters"
    assert step.params == kernel * 6 + 3


@given(SIZE, KERNEL, STRIDE)
def test_a_transposed_convolution_undoes_the_shape_of_a_convolution(
    size: int, kernel: int, stride: int
) -> None:
    try:
        forth = trace([read_layer(f"conv1d:1@{kernel}/{stride}")], (size, 1)).output
    except ShapeError:
        return
    lost = (size - kernel) % stride
    if lost:
        text = f"convtranspose:1@{kernel}/{stride},output_padding={lost}"
    else:
        # Without a number Keras extends the output to a whole stride.
        text = f"convtranspose:1@{kernel}/{stride},pad=0"
    back = trace([read_layer(text)], (int(forth[0]), 1)).output
    assert back == (size, 1)


@given(st.integers(0, 500), st.integers(1, 500))
def test_smallest_finds_the_threshold(threshold: int, above: int) -> None:
    assert smallest(-1, threshold + above, lambda n: n >= threshold) == threshold


@pytest.mark.parametrize("text", ["same", "same-lower", "valid", "causal", "2", "1x0", "0,1,2,3"])
def test_padding_reads_back_what_it_shows(text: str) -> None:
    padding = read_padding(text)
    assert read_padding(str(padding)) == padding


WINDOW = st.tuples(
    st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.sampled_from(["valid", "same", "pad=2"])
)


@given(st.integers(1, 80), st.lists(WINDOW, min_size=1, max_size=4))
def test_receptive_fields_are_the_positions_that_outputs_depend_on(
    size: int, windows: list[tuple[int, int, int, str]]
) -> None:
    """Each layer's dependencies are followed element by element, as sets of positions of the input."""
    layers = [
        read_layer(f"conv1d:1@{kernel}/{stride},{padding},dilation={dilation}")
        for kernel, stride, dilation, padding in windows
    ]
    try:
        steps = trace(layers, (size, 1)).steps
    except ShapeError:
        assume(False)
    found = [{position} for position in range(size)]
    for step, (kernel, stride, dilation, _) in zip(steps, windows, strict=True):
        assert step.pad is not None
        before = step.pad[0][0]
        taps = [
            [start * stride - before + k * dilation for k in range(kernel)]
            for start in range(int(step.output[0]))
        ]
        found = [set().union(*(found[tap] for tap in row if 0 <= tap < len(found))) for row in taps]
        (axis,) = step.field
        assert axis.cumulative_stride is not None
        for index, positions in enumerate(found):
            start = axis.start + index * axis.cumulative_stride
            assert all(start <= position < start + axis.size for position in positions)
            if all(window[3] == "valid" for window in windows[: step.number]):
                assert min(positions) == start
                assert max(positions) + 1 == start + axis.size
        assert step.cumulative_stride == (prod(window[1] for window in windows[: step.number]),)
