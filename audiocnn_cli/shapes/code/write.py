"""A request for a stack as text in another language."""

from dataclasses import replace

from audiocnn_cli.errors import ImpossibleShapeError, UsageError
from audiocnn_cli.shapes.choices import CodeFor, Framework
from audiocnn_cli.shapes.code.keras_code import keras_code
from audiocnn_cli.shapes.code.latex import latex_of
from audiocnn_cli.shapes.code.torch_code import torch_code
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.work_out import StackRequest, choose_stack, report_of, work_out

_FILES = (".onnx", ".pt2")


def code_of(request: StackRequest, code: CodeFor) -> str:
    """The stack as code of a framework, by whose rules it is worked out.

    Raises:
        UsageError: the request is not one typed stack, or sets another framework.
        CodeError: the framework can't express a layer.
        ImpossibleShapeError: the stack can't be built.
    """
    if any(text.endswith(_FILES) or ".py:" in text for text in request.layers):
        raise UsageError(f"`code={code}`: an ONNX file is no stack of layers that code can be written of")
    stack = choose_stack(request)
    framework = Framework(code.value)
    if request.framework not in {None, framework}:
        raise UsageError(f"`framework={request.framework}` has other rules than `code={code}`; leave it out")
    report = _possible(work_out(replace(stack, framework=framework)))
    return (
        keras_code(stack.layers, report.trace)
        if code is CodeFor.KERAS
        else torch_code(stack.layers, report.trace)
    )


def latex_of_request(request: StackRequest) -> str:
    """The stack, or the layers of an ONNX file, as a LaTeX table.

    Raises:
        UsageError: the request is not one stack.
        ImpossibleShapeError: the stack can't be built.
    """
    report = _possible(report_of(request))
    return latex_of(report.trace, report.paper)


def _possible(report: Report) -> Report:
    if report.collapse:
        raise ImpossibleShapeError(report.collapse.sentence)
    return report
