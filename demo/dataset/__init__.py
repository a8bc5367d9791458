"""The demo's data: a prenatal portal of invented patients, and real DICOM files to go with it."""
