"""Encoders that are given media files of strangers, and why they refuse one."""

import warnings
from pathlib import Path

import pytest
from media import one

import encoders
from bench.data.checks.files import look
from encoders import Undecodable

ENCODERS = {
    "image": encoders.get("image", "resnet18", weights="random", size=32),
    "video": encoders.get("video", "motion"),
    "audio": encoders.get("audio", "logmel"),
}


def refused(path: Path, modality: str, capfd: pytest.CaptureFixture[str]) -> str:
    """The reason why a file is undecodable; nothing is printed or warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = one(ENCODERS[modality], path)
        look(path, modality)
    assert isinstance(result, Undecodable), result
    assert "".join(capfd.readouterr()) == ""
    assert result.reason
    assert "\n" not in result.reason
    assert str(path) not in result.reason
    return result.reason
