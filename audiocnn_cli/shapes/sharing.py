"""Layers that use the weights of an earlier layer: they have no parameters of their own."""

from collections.abc import Sequence

from msgspec.structs import replace

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.step import Layer, MisfitError, Step


def with_weights_of(layer: Layer, step: Step, steps: Sequence[Step]) -> Step:
    """`step` of `layer` without parameters, where it uses the weights of one of the `steps` before it.

    A dense layer without bias can use those of an embedding, transposed.

    Raises:
        UsageError: no layer before it has the name.
        MisfitError: its weights have other shapes.
    """
    if layer.weights is None:
        return step
    owner = next((found for found in steps if found.name == layer.weights), None)
    if owner is None:
        raise UsageError(f"the weights of {layer.weights!r} can't be used: no layer before it has that name")
    transposed = owner.type == "embedding" and step.type == "dense"
    attributes = ("params", "non_trainable_params") if transposed else _SAME
    fits = all(getattr(owner, name) == getattr(step, name) for name in attributes)
    if transposed:
        fits = fits and owner.output[-1] == step.input[-1]
    if not fits or not step.params:
        raise MisfitError(
            f"the weights of {layer.weights!r} do not fit: {_weights(owner)}, not {_weights(step)}"
        )
    return replace(
        step, params=0, non_trainable_params=0, formula=(*step.formula[:-1], f"weights of {owner.name}")
    )


_SAME = ("type", "params", "non_trainable_params", "kernel", "groups", "filters", "units", "heads")


def _weights(step: Step) -> str:
    return f"{step.params} parameters of a {step.type} layer"
