"""Pictures of numbers as PNG, in the page itself: the spectrogram, and the heat map that lies over it."""

import base64
import io
from typing import TYPE_CHECKING

from audiocnn_cli.features.mel import mel_edges
from audiocnn_cli.inspection.occlusion import Why
from audiocnn_cli.output.report.sound import Sound
from audiocnn_cli.output.terminal.heatmap import levels as shares_of
from audiocnn_cli.output.terminal.heatmap import palette

if TYPE_CHECKING:
    from PIL.Image import Image

# What speaks for the label, and what speaks against it.
_FOR, _AGAINST = (255, 92, 57), (90, 200, 255)
_NOT_SEARCHED = (128, 128, 128, 96)
_MOST_OPAQUE = 210
# Weights to this power: the many small ones must not hide the spectrogram.
_CONTRAST = 1.6
_WHY_COLUMNS = 1200


def data_uri(content: bytes, kind: str) -> str:
    """`content` as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def spectrogram_uri(sound: Sound) -> str:
    """Time to the right, mels upwards, quiet dark and loud bright."""
    import numpy as np
    from PIL import Image

    shares = shares_of(sound.levels, each_bin=False)
    image = Image.fromarray(np.ascontiguousarray((shares.T[::-1] * 255).astype(np.uint8)))
    image.putpalette([channel for colour in palette(256) for channel in colour])
    return _uri(image)


def why_uri(why: Why, sound: Sound) -> str:
    """The drops on the spectrogram's axis of mels: a column a part in time, as opaque as it weighs."""
    import numpy as np
    from PIL import Image

    centres = mel_edges(sound.config)[1:-1]
    bands = np.searchsorted(why.bands_hz[1:-1], centres, side="right")
    moments = np.linspace(*why_times(why), _WHY_COLUMNS, endpoint=False)
    columns = np.searchsorted(why.times_s[1:-1], moments, side="right")
    drops = why.drops[columns][:, bands].T[::-1]
    heaviest = float(np.nanmax(np.abs(drops), initial=0.0)) or 1.0
    pixels = np.zeros((*drops.shape, 4), dtype=np.uint8)
    weights = np.nan_to_num(drops) / heaviest
    pixels[..., :3] = np.where(weights[..., None] >= 0, _FOR, _AGAINST)
    pixels[..., 3] = (np.abs(weights) ** _CONTRAST * _MOST_OPAQUE).astype(np.uint8)
    pixels[np.isnan(drops)] = _NOT_SEARCHED
    return _uri(Image.fromarray(pixels))


def why_times(why: Why) -> tuple[float, float]:
    """From when to when the heat map is, in seconds of the recording."""
    return why.times_s[0], why.times_s[-1]


def _uri(image: "Image") -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=False, compress_level=6)
    return data_uri(stream.getvalue(), "image/png")
