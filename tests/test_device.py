"""The name of a device: checked by word and by what is there."""

import pytest
import torch

from n2vlib.device import choose_device, counts_on, kind_of
from n2vlib.errors import BadInput


def gpus(monkeypatch, count: int, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_auto_is_a_gpu_where_there_is_one(monkeypatch):
    gpus(monkeypatch, 0, mps=True)
    assert choose_device("auto") == "cpu" and choose_device("mps") == "mps"
    gpus(monkeypatch, 2)
    assert [choose_device(name) for name in ("auto", "cuda", "cuda:1", "cpu")] == ["cuda", "cuda", "cuda:1", "cpu"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gpu", "say 'auto', 'cpu'"),
        ("cuda:2", "sees 2 CUDA devices"),
        ("mps", "no Apple GPU"),
        ("cuda:x", "say 'auto'"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(monkeypatch, name, says):
    gpus(monkeypatch, 2)
    with pytest.raises(BadInput, match=says):
        choose_device(name)


def test_an_apple_gpu_runs_networks_and_the_cpu_counts():
    assert [(kind_of(name), counts_on(name)) for name in ("cpu", "mps", "cuda:1")] == [
        ("cpu", False), ("gpu", False), ("gpu", True),
    ]  # fmt: skip
