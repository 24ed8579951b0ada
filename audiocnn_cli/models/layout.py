"""The order of a graph's input axes: N segments, T frames (or samples), F bins, 1 for an axis of its own."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Layout(StrEnum):
    """What `--layout` names; those without F take a waveform, those without N one segment at a time."""

    NTF = "NxTxF"
    NFT = "NxFxT"
    N1TF = "Nx1xTxF"
    N1FT = "Nx1xFxT"
    NTF1 = "NxTxFx1"
    NFT1 = "NxFxTx1"
    TF = "TxF"
    FT = "FxT"
    NT = "NxT"
    N1T = "Nx1xT"
    NT1 = "NxTx1"
    T = "T"

    @property
    def axes(self) -> list[str]:
        """One letter an axis."""
        return self.split("x")

    @property
    def of_waveform(self) -> bool:
        """Whether samples are fed instead of features."""
        return "F" not in self.axes

    @property
    def batched(self) -> bool:
        """Whether there is an axis of segments."""
        return "N" in self.axes

    def shape(self, frames: int | None, bins: int) -> list[int | str | None]:
        """The shape that is fed, with `N` for the segments and None for frames not known yet."""
        sizes: dict[str, int | str | None] = {"N": "N", "T": frames, "F": bins, "1": 1}
        return [sizes[axis] for axis in self.axes]

    def fits(self, graph: Sequence[int | str | None], *, frames: int | None, bins: int) -> bool:
        """Whether a graph's input takes that shape; a named or unnamed axis takes any size, N also 1."""
        if len(graph) != len(self.axes):
            return False
        wanted = self.shape(frames, bins)
        return all(
            not isinstance(size, int) or want is None or size == (1 if want == "N" else want)
            for size, want in zip(graph, wanted, strict=True)
        )

    def arrange(self, tensors: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Tensors (segments, frames, bins) with their axes in this order; of one segment if not `batched`."""
        import numpy as np

        names = "NTF"
        if self.of_waveform:
            tensors, names = tensors[..., 0], "NT"
        if not self.batched:
            tensors, names = tensors[0], names[1:]
        order = [names.index(axis) for axis in self.axes if axis != "1"]
        ordered = np.ascontiguousarray(tensors.transpose(order))
        sizes = iter(ordered.shape)
        return ordered.reshape([1 if axis == "1" else next(sizes) for axis in self.axes])
