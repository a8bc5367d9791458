"""The real DICOM files that the installed `pydicom` carries: ultrasound, ECG and more; nothing is downloaded.

`pydicom.data.get_testdata_file` would fetch what is missing, so the wheel's own folder is read instead.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: What a prenatal clinic has: ultrasound and maternal ECG.
PRENATAL = ("US", "ECG")
#: What its devices keep beside: magnetic resonance.
DEVICES = ("ECG", "MR", "US")


@dataclass(frozen=True)
class DicomFile:
    """One file of the wheel: its key `<modality>/<name>`, DICOM modality (US, ECG, MR, CT ...) and size in bytes."""

    key: str
    modality: str
    sop_class: str
    path: Path
    size: int

    def read(self) -> bytes:
        """The file's bytes."""
        return self.path.read_bytes()


def dicom_files(modalities: Iterable[str] = PRENATAL) -> list[DicomFile]:
    """The wheel's readable DICOM files of some modalities, by key. Files that pydicom cannot parse are left out."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    wanted = frozenset(modalities)
    found = []
    for path in sorted(folder.rglob("*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of these files are damaged on purpose
            try:
                header = pydicom.dcmread(path, stop_before_pixels=True)
            except (InvalidDicomError, ValueError, KeyError, AttributeError, EOFError, NotImplementedError):
                continue
            modality = str(header.get("Modality", ""))
            sop_class = header.get("SOPClassUID")
        if modality in wanted and sop_class is not None:
            key = f"{modality.lower()}/{path.relative_to(folder).as_posix()}"
            found.append(DicomFile(key, modality, str(sop_class.name), path, path.stat().st_size))
    return sorted(found, key=lambda file: file.key)


def objects(files: Iterable[DicomFile]) -> Iterator[tuple[str, bytes]]:
    """Keys and bytes, for a bucket."""
    for file in files:
        yield file.key, file.read()


def write_folder(files: Iterable[DicomFile], folder: Path) -> int:
    """Writes the files under a folder as a device would leave them (0600, folders 0700); how many."""
    count = 0
    for key, data in objects(files):
        target = folder / key
        for parent in reversed(target.relative_to(folder).parents):  # from the folder itself downwards
            (folder / parent).mkdir(mode=0o700, parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(data)
        count += 1
    return count
