"""`audiocnn search` over large sets: time and peak memory.

    python benchmarks/search.py                          # 1 million vectors of 96 numbers
    python benchmarks/search.py --vectors 10000000       # 3.9 GB in the folder for temporary files (TMPDIR)
    python benchmarks/search.py --dimensions 1792 --vectors 200000

The set is generated as `audiocnn embed` writes it, in parts of 64 MiB, with random vectors and the metadata
of a small model made here, which embeds the query. The limit of 400 MiB is that of the largest process.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from pathlib import Path

import measure  # isort: skip (before NumPy)

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parent.parent))

from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.datasets.dataset import write_parquet
from audiocnn_cli.datasets.embedding_rows import embedding_table
from audiocnn_cli.embeddings.clip import ClipEmbeddings, EmbeddingInfo
from tests.onnx_models import write_embedding

_LIMIT_MIB = 400
_PART_BYTES = 64 * 2**20
_SEGMENTS = 100  # of a recording
_RATE = 8000


def write_set(folder: Path, info: EmbeddingInfo, count: int) -> None:
    """Parts with `count` random vectors in all, of recordings of 100 segments."""
    folder.mkdir()
    random = np.random.default_rng(0)
    of_part = _PART_BYTES // (4 * info.dimensions * _SEGMENTS)
    starts = np.arange(_SEGMENTS, dtype=np.float64) / 2
    recordings = count // _SEGMENTS
    for number, first in enumerate(range(0, recordings, of_part), start=1):
        clips = [
            ClipEmbeddings(
                path=f"recordings/{recording // 1000:06}/{recording:09}.wav",
                info=info,
                starts_s=starts,
                ends_s=starts + np.float64(0.5),
                silent=np.zeros(_SEGMENTS, dtype=bool),
                data=random.standard_normal((_SEGMENTS, info.dimensions), dtype=np.float32),
                duration_s=50.0,
                rest=TailHandling.NONE,
                rest_s=0.0,
            )
            for recording in range(first, min(first + of_part, recordings))
        ]
        with (folder / f"part-{number:05}.parquet").open("wb") as stream:
            write_parquet(embedding_table(clips), stream)


def main() -> None:
    """Generate, search, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=96)
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 100])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="audiocnn-") as temporary:
        folder = Path(temporary)
        model = write_embedding(folder / "tiny.onnx", dimensions=given.dimensions)
        info = EmbeddingInfo(
            model="tiny",
            model_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
            dimensions=given.dimensions,
        )
        start = time.perf_counter()
        write_set(folder / "set", info, given.vectors)
        size = sum(path.stat().st_size for path in (folder / "set").iterdir()) / 2**30
        print(
            f"{given.vectors:,} x {given.dimensions}: {size:.2f} GiB in {time.perf_counter() - start:.0f} s"
        )
        for count in given.queries:
            queries = folder / f"queries-{count}"
            queries.mkdir()
            for number in range(count):
                noise = 0.1 * np.random.default_rng(number).standard_normal(_RATE)
                soundfile.write(queries / f"{number}.wav", noise, _RATE)
            command = [measure.AUDIOCNN, "search", str(queries), "--in", str(folder / "set")]
            start = time.perf_counter()
            peak = measure.peak_mib([*command, "--model", str(model), "--json"])
            what = f"{count} queries in {time.perf_counter() - start:.1f} s: peak memory"
            measure.row(what, f"{peak:.0f} MiB", f"at most {_LIMIT_MIB} MiB", peak <= _LIMIT_MIB)


if __name__ == "__main__":
    main()
