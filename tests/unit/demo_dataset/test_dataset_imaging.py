"""The images are real DICOM files of the installed wheel."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom

from demo.dataset.imaging import DEVICES, dicom_files, objects, write_folder


def test_there_are_ultrasound_images_and_an_ecg() -> None:
    files = dicom_files()
    assert {file.modality for file in files} == {"US", "ECG"}
    assert sum(file.size for file in files) > 1_000_000
    assert len({file.key for file in files}) == len(files)


def test_objects_are_dicom_of_the_modality_their_key_says() -> None:
    for key, data in objects(dicom_files(DEVICES)):
        assert data[128:132] == b"DICM"
        assert pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True).Modality.lower() == key.split("/")[0]


def test_a_folder_gets_the_same_bytes_privately(tmp_path: Path) -> None:
    files = dicom_files(DEVICES)
    folder = tmp_path / "device-data"
    assert write_folder(files, folder) == len(files)
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.dcm")} == dict(
        objects(files)
    )
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *folder.rglob("*")))


def test_a_modality_that_is_not_there_gives_nothing() -> None:
    assert dicom_files(["MG"]) == []
