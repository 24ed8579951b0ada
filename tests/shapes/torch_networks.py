# mypy: disallow-subclassing-any=False
"""A dozen audio networks in PyTorch, small, with the input shape (batch first) and its free axes of each."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Case:
    """A network, the shape of its input, and the axes of it that an export leaves free, by name."""

    network: nn.Module
    shape: tuple[int, ...]
    free: dict[int, str]
    batch: int = 0


class Residual1d(nn.Module):
    """Two residual blocks on a waveform, with strided shortcuts."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 8, 9, stride=4, padding=4)
        self.a = nn.Sequential(
            nn.Conv1d(8, 16, 3, stride=2, padding=1),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Conv1d(16, 16, 3, padding=1),
        )
        self.shortcut = nn.Conv1d(8, 16, 1, stride=2, bias=False)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.first(x))
        x = functional.relu(self.a(x) + self.shortcut(x))
        result: Tensor = self.head(x.mean(-1))
        return result


class Crnn(nn.Module):
    """Convolutions over a spectrogram, then a bidirectional GRU over its frames."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d((1, 4)),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ELU(), nn.MaxPool2d((2, 2)),
        )  # fmt: skip
        self.recurrent = nn.GRU(16 * 4, 24, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolutions(x).permute(0, 2, 1, 3).flatten(2)
        result: Tensor = self.head(self.recurrent(x)[0]).sigmoid()
        return result


class Tcn(nn.Module):
    """Dilated causal convolutions with residual connections."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(12, 12, 3, dilation=2**i) for i in range(3))
        self.head = nn.Conv1d(12, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = x + functional.gelu(layer(functional.pad(x, (2 * 2**i, 0))))
        result: Tensor = self.head(x)
        return result


class Separable(nn.Module):
    """Depthwise separable convolutions with squeeze-and-excite, as in MobileNetV3."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Linear(8, 4), nn.Linear(4, 8)
        self.project = nn.Conv2d(8, 16, 1)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.hardswish(self.stem(x))
        x = self.norm(self.depthwise(x))
        gate = self.excite(functional.relu(self.squeeze(x.mean((2, 3))))).sigmoid()
        x = self.project(x * gate[:, :, None, None])
        result: Tensor = self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return result


class UNet(nn.Module):
    """Two levels down and up, with transposed convolutions and skip connections."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.middle = nn.Conv2d(16, 16, 3, padding=1)
        self.up2, self.up1 = nn.ConvTranspose2d(16, 16, 2, stride=2), nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.join2, self.join1 = nn.Conv2d(32, 16, 3, padding=1), nn.Conv2d(16, 8, 3, padding=1)
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = functional.relu(self.down1(x))
        two = functional.relu(self.down2(functional.max_pool2d(one, 2)))
        x = functional.relu(self.middle(functional.max_pool2d(two, 2)))
        x = functional.relu(self.join2(torch.cat([self.up2(x), two], 1)))
        x = functional.relu(self.join1(torch.cat([self.up1(x), one], 1)))
        result: Tensor = self.head(x).sigmoid()
        return result


class Attention(nn.Module):
    """Self-attention written out: two products of activations for each head."""

    def __init__(self, width: int = 16, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.qkv(x).reshape(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        weights = (query @ key.transpose(-1, -2) / 2.0).softmax(-1)
        result: Tensor = self.out((weights @ value).transpose(1, 2).reshape(batch, length, width))
        return result


class Transformer(nn.Module):
    """Two encoder layers over frames, then the mean."""

    def __init__(self, *, time_first: bool = False) -> None:
        super().__init__()
        self.time_first = time_first
        self.embed = nn.Linear(10, 16)
        self.norms = nn.ModuleList(nn.LayerNorm(16) for _ in range(4))
        self.attention = nn.ModuleList(Attention() for _ in range(2))
        self.feed = nn.ModuleList(
            nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16)) for _ in range(2)
        )
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x.transpose(0, 1) if self.time_first else x)
        for i in range(2):
            x = x + self.attention[i](self.norms[2 * i](x))
            x = x + self.feed[i](self.norms[2 * i + 1](x))
        result: Tensor = self.head(x.mean(1))
        return result


class Conformer(nn.Module):
    """One conformer block: feed-forward, attention, convolution module, feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.feed1 = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 64), nn.SiLU(), nn.Linear(64, 16))
        self.norm, self.attention = nn.LayerNorm(16), Attention()
        self.norm2, self.point1 = nn.LayerNorm(16), nn.Conv1d(16, 32, 1)
        self.depth, self.batch_norm = nn.Conv1d(16, 16, 7, padding=3, groups=16), nn.BatchNorm1d(16)
        self.point2 = nn.Conv1d(16, 16, 1)
        self.feed2 = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 64), nn.SiLU(), nn.Linear(64, 16))

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.feed1(x)
        x = x + self.attention(self.norm(x))
        y = functional.glu(self.point1(self.norm2(x).transpose(1, 2)), 1)
        x = x + self.point2(functional.silu(self.batch_norm(self.depth(y)))).transpose(1, 2)
        result: Tensor = x + 0.5 * self.feed2(x)
        return result


class TimeFirstLstm(nn.Module):
    """A recurrent network whose input is (time, batch, channels), as PyTorch's default has it."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(13, 20, num_layers=2)
        self.head = nn.Linear(20, 4)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.recurrent(x)[0])
        return result


class BatchFirstLstm(nn.Module):
    """The course LSTM with a bidirectional layer: frames of MFCCs, then dense layers on the last frame."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(13, 16, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 10))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.recurrent(x)[0][:, -1])
        return result


class ConvNext(nn.Module):
    """A ConvNeXt block: depthwise, then dense layers on the last axis, with a learned scale."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 4, stride=4)
        self.depthwise = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm, self.wide, self.narrow = nn.LayerNorm(8), nn.Linear(8, 32), nn.Linear(32, 8)
        self.scale = nn.Parameter(torch.full((8,), 1e-2))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(functional.gelu(self.wide(y)))
        result: Tensor = self.head((x + y.permute(0, 3, 1, 2)).mean((2, 3)))
        return result


class Tokens(nn.Module):
    """Embedded tokens with learned positions, one weight matrix for input and output."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.position = nn.Parameter(torch.randn(1, 12, 16))
        self.attention = Attention()

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(self.embed(x) + self.position)
        return x @ self.embed.weight.T


CASES = {
    "residual": Case(Residual1d(), (1, 1, 803), {0: "batch", 2: "samples"}),
    "crnn": Case(Crnn(), (1, 1, 51, 32), {0: "batch", 2: "time"}),
    "tcn": Case(Tcn(), (1, 12, 70), {0: "batch", 2: "time"}),
    "separable": Case(Separable(), (1, 1, 41, 30), {0: "batch", 2: "time"}),
    "unet": Case(UNet(), (1, 1, 40, 32), {0: "batch"}),
    "transformer": Case(Transformer(), (1, 33, 10), {0: "batch", 1: "time"}),
    "transformer, time first": Case(Transformer(time_first=True), (33, 1, 10), {1: "batch"}, batch=1),
    "conformer": Case(Conformer(), (1, 29, 16), {0: "batch", 1: "time"}),
    "lstm, time first": Case(TimeFirstLstm(), (37, 1, 13), {0: "time", 1: "batch"}, batch=1),
    "lstm": Case(BatchFirstLstm(), (1, 50, 13), {0: "batch", 1: "time"}),
    "convnext": Case(ConvNext(), (1, 1, 40, 32), {0: "batch"}),
    "tokens": Case(Tokens(), (1, 12), {0: "batch"}),
}

# Exporters store equal weights once; these are all different.
torch.manual_seed(0)
for _case in CASES.values():
    with torch.no_grad():
        for _tensor in (*_case.network.parameters(), *_case.network.buffers()):
            if _tensor.is_floating_point():
                _tensor.copy_(0.5 + 0.1 * torch.rand_like(_tensor))
