"""The one table of formats is complete and consistent."""

from pathlib import Path

from audiocnn_cli.extras import MODULES
from audiocnn_cli.output.formats import FORMATS, LABEL_FORMATS, TENSOR_FORMATS, Format, format_of, suffixes_of


def test_every_format_has_its_properties() -> None:
    assert set(FORMATS) == set(Format)
    for properties in FORMATS.values():
        assert properties.suffixes
        assert properties.extra is None or properties.extra in MODULES


def test_a_suffix_is_that_of_one_tensor_format() -> None:
    suffixes = suffixes_of(TENSOR_FORMATS)
    assert len(suffixes) == len(set(suffixes))
    for suffix in suffixes:
        format = format_of(Path(f"x{suffix.upper()}"), TENSOR_FORMATS)
        assert format is not None
        assert suffix in FORMATS[format].suffixes
    assert format_of(Path("x.wav"), TENSOR_FORMATS) is None


def test_labels_and_tensors_are_the_formats_of_the_contract() -> None:
    assert set(TENSOR_FORMATS) == {"npz", "npy", "csv", "json", "jsonl", "parquet", "hdf5"}
    assert {"audacity", "raven", "textgrid", "webvtt", "parquet", "csv"} <= set(LABEL_FORMATS)
