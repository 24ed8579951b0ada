"""How fast and how lean `audiocnn classify` is: python benchmarks/classify.py [--quick] [--model NAME].

    python benchmarks/classify.py            all of it, some minutes
    python benchmarks/classify.py --quick    without the recording of ten hours

Prints each measurement with its limit. Seconds are medians; other load on the machine raises them.
"""

import argparse
import json
import os
import subprocess
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

from measure import AUDIOCNN, RATE, by_turns, music, peak_mib, row, versions  # isort: skip

import numpy as np
import soundfile
import soxr

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.segments import cut
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import classify
from audiocnn_cli.classify.work import Classification, ModelChoice
from audiocnn_cli.features.extract import extract
from audiocnn_cli.models.registry import AUTO, DEFAULT_MODEL, find_model

CLASSIFY = [AUDIOCNN, "classify"]
VIOLIN = Path(__file__).parent.parent / "examples" / "violin.ogg"


def song(folder: Path) -> Path:
    """A stereo MP3 of 210 s at 44.1 kHz."""
    path = folder / "song.mp3"
    if not path.exists():
        soundfile.write(path, music(210, 44100, channels=2), 44100)
    return path


def whole_process(folder: Path, model: str) -> None:
    """Time of a whole process."""
    path = str(song(folder))
    command = [*CLASSIFY, path, "--model", model]
    found = by_turns({"it": lambda: subprocess.run(command, check=True, capture_output=True)}, repeats=7)[
        "it"
    ]
    row("210 s stereo MP3 at 44.1 kHz, whole process", f"{found:.2f} s", "0.75 s", found <= 0.75)


def auto(folder: Path) -> None:
    """Time of a whole process with the default model, for music, relative to one with a small model."""
    path = folder / "violin.mp3"
    violin, rate = soundfile.read(VIOLIN)
    loud = soxr.resample(np.resize(violin, 210 * rate), rate, 44100)
    soundfile.write(path, np.stack([loud, loud], axis=1), 44100)

    def run(model: str) -> None:
        subprocess.run([*CLASSIFY, str(path), "--model", model], check=True, capture_output=True)

    times = by_turns({name: partial(run, name) for name in ("genre-small", AUTO)}, repeats=7)
    ratio = times[AUTO] / times["genre-small"]
    row("the same with `auto`, of the time with `genre-small`", f"{ratio:.2f}", "1.35", ratio <= 1.35)


def throughput(folder: Path, model: str) -> None:
    """Time with the network relative to decoding and features alone, in a warm process."""
    source = Source(str(song(folder)))
    ensemble = Classification(models=(ModelChoice(find_model(model).path),)).ensemble()
    signature = ensemble.signature

    def needed() -> None:
        with open_audio(source) as reader:
            blocks = mono_blocks(reader, sample_rate=signature.features.sample_rate)
            for segment in cut(blocks, signature.segment):
                extract(segment.samples, signature.features)

    times = by_turns({"needed": needed, "classify": lambda: classify(source, ensemble)}, repeats=11)
    ratio = times["classify"] / times["needed"]
    gate = ", with the gate" if ensemble.gate else ""
    row(
        f"the same warm{gate}, of decoding and features alone ({times['needed']:.3f} s)",
        f"{ratio:.2f}",
        "1.25",
        ratio <= 1.25,
    )


def latency(folder: Path, model: str) -> None:
    """Delay of a segment after its last sample, from a pipe that is written in real time."""
    path = folder / "clip.raw"
    samples = (music(10, RATE)[:, 0] * 32767).astype("<i2")
    path.write_bytes(samples.tobytes())
    command = [*CLASSIFY, "-", "--raw", "s16le", "--sr", str(RATE), "--jsonl", "--model", model]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None  # noqa: S101 (for the types)
    assert process.stdout is not None  # noqa: S101
    into = process.stdin
    # Interpreter and network are loaded while the pipe fills, and not measured.
    begin = time.perf_counter() + 2.0

    def write() -> None:
        step = RATE // 50
        for at in range(0, len(samples), step):
            time.sleep(max(0.0, begin + (at + step) / RATE - time.perf_counter()))
            into.write(samples[at : at + step].tobytes())
            into.flush()
        into.close()

    threading.Thread(target=write).start()
    late = []
    for line in process.stdout:
        segment = json.loads(line)
        if "end_s" in segment:
            late.append(time.perf_counter() - begin - segment["end_s"])
    process.wait()
    worst = max(late)
    row(f"live with {model}, after the last sample of a segment", f"{worst:.3f} s", "0.2 s", worst <= 0.2)


def ten_hours(folder: Path, model: str) -> None:
    """Peak memory of a long recording."""
    path = folder / "long.flac"
    minute = music(60, RATE)
    with soundfile.SoundFile(path, "w", RATE, 1) as sound:
        for _ in range(600):
            sound.write(minute)
    peak = peak_mib([*CLASSIFY, str(path), "--timeline", "--jsonl", "--model", model])
    row("10 hours, `--timeline --jsonl`, peak memory", f"{peak:.0f} MiB", "400 MiB", peak < 400)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    given = parser.parse_args()
    print("versions:", json.dumps(versions()))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, model {given.model}")
    with tempfile.TemporaryDirectory() as name:
        for measure in (whole_process, throughput, latency):
            measure(Path(name), given.model)
        auto(Path(name))
        latency(Path(name), AUTO)
        if not given.quick:
            ten_hours(Path(name), given.model)


if __name__ == "__main__":
    main()
