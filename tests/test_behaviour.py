"""An edited network is measured again: any change of what its pass computes is noticed."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from measured import probe_in
from torch import nn
from torch.nn import functional as F

from n2vlib.activations.layer import read_layers
from n2vlib.errors import BadInput
from n2vlib.networks.behaviour import SHOWN, close, fixed_images
from n2vlib.networks.load import load_network
from n2vlib.store import Store

TOP = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
CLASS = (
    "class C(nn.Module):\n    def __init__(s, m=0.5):\n        super().__init__(); s.c = nn.Conv2d(3, 4, 3); {state}\n"
)
PASS = "    def forward(s, x): return {out}\n"
PLAIN = TOP + CLASS.format(state="pass")
PRE = {"size": 32, "mean": 0.5, "std": 0.25}

EDITS = {
    "helper function": (
        "0", TOP + "def act(x): return F.relu(x)\n" + CLASS.format(state="pass") + PASS.format(out="act(s.c(x))")
        + "def build(): return nn.Sequential(C())\n", ("F.relu(x)", "F.relu(x) ** 2"),
    ),
    "constant of the file": (
        "0", "SCALE = 1.0\n" + PLAIN + PASS.format(out="s.c(x) * SCALE") + "def build(): return nn.Sequential(C())\n",
        ("SCALE = 1.0", "SCALE = 3.0"),
    ),
    "helper in a file beside it": (
        "0", PLAIN + PASS.format(out="__import__('a_helper_beside').act(s.c(x))") + "import a_helper_beside\n"
        "def build(): return nn.Sequential(C())\n",
        ("import a_helper_beside", "import a_helper_beside; a_helper_beside.act = torch.tanh"),
    ),
    "lambda": (
        "1", TOP + "class Apply(nn.Module):\n    def __init__(s, f): super().__init__(); s.f = f\n"
        "    def forward(s, x): return s.f(x)\n"
        "def build(): return nn.Sequential(nn.Conv2d(3, 4, 3), Apply(lambda x: x.relu()))\n", ("x.relu()", "x.abs()"),
    ),
    "base class": (
        "0", TOP + "class Base(nn.Module):\n    def forward(s, x): return F.relu(s.c(x))\n"
        + CLASS.format(state="pass").replace("nn.Module", "Base") + "def build(): return nn.Sequential(C())\n",
        ("F.relu(s.c(x))", "F.gelu(s.c(x)) * 2"),
    ),
    "plain tensor": (
        "0", TOP + CLASS.format(state="s.m = torch.tensor(m)") + PASS.format(out="s.c(x - s.m)")
        + "def build(): return nn.Sequential(C(0.5))\n", ("C(0.5)", "C(-3.0)"),
    ),
    "buffer that is not saved": (
        "0", TOP + CLASS.format(state="s.register_buffer('m', torch.tensor(m), persistent=False)")
        + PASS.format(out="s.c(x - s.m)") + "def build(): return nn.Sequential(C(0.5))\n", ("C(0.5)", "C(-3.0)"),
    ),
    "private attribute": (
        "0", TOP + CLASS.format(state="s._k = m") + PASS.format(out="s.c(x) * s._k")
        + "def build(): return nn.Sequential(C(1.0))\n", ("C(1.0)", "C(5.0)"),
    ),
    "hook that prunes": (
        "1", TOP + "def build():\n    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
        "    net[0].register_forward_hook(lambda m, i, o: o * torch.tensor([1., 1, 1, 1])[:, None, None])\n"
        "    return net\n", ("1., 1, 1, 1", "1., 1, 0, 1"),
    ),
    "number of heads": (
        "2", TOP + "class Heads(nn.Module):\n    def __init__(s, n):\n        super().__init__()\n"
        "        s.a = nn.MultiheadAttention(8, n, batch_first=True)\n    def forward(s, x):\n"
        "        t = x.flatten(2).mT; return s.a(t, t, t)[0].mT.reshape(x.shape)\n"
        "def build(): return nn.Sequential(nn.Conv2d(3, 8, 3, 8), nn.ReLU(), Heads(2))\n", ("Heads(2)", "Heads(4)"),
    ),
    "forward of the instance": (
        "0", TOP + "def build():\n    net = nn.Sequential(nn.Conv2d(3, 4, 3))\n    conv = net[0]\n"
        "    conv.forward = lambda x: F.conv2d(x, conv.weight, conv.bias) * 1.0\n    return net\n", ("* 1.0", "* -1.0"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    return probe_in(tmp_path_factory.mktemp("behaviour"), 12)


def thresholds(network, layer: str, probe, store: Path, preprocessing=PRE):
    loaded = load_network(network, None, preprocessing)
    return read_layers(loaded, [layer], probe, tau=0.05, device="cpu", store=Store(str(store)))[layer].thresholds


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_network_is_measured_again_and_an_unedited_one_is_not(what, probe, tmp_path, monkeypatch):
    layer, source, (old, new) = EDITS[what]
    assert old in source
    (tmp_path / "a_helper_beside.py").write_text("import torch\nact = torch.sigmoid\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "a_helper_beside", raising=False)
    file = tmp_path / "net.py"
    file.write_text(source)
    before = thresholds(f"{file}:build", layer, probe, tmp_path / "store")
    entries = set((tmp_path / "store").glob("activations/*/record.json"))
    thresholds(f"{file}:build", layer, probe, tmp_path / "store")
    assert set((tmp_path / "store").glob("activations/*/record.json")) == entries
    file.write_text(source.replace(old, new))
    after = thresholds(f"{file}:build", layer, probe, tmp_path / "store")
    fresh = thresholds(f"{file}:build", layer, probe, tmp_path / "fresh")
    assert not np.allclose(before, after)
    np.testing.assert_array_equal(after, fresh)
    file.write_text(source)  # undone: both are stored, and neither is taken for the other
    monkeypatch.delitem(__import__("sys").modules, "a_helper_beside", raising=False)
    np.testing.assert_array_equal(thresholds(f"{file}:build", layer, probe, tmp_path / "store"), before)


def test_a_patched_function_of_torchvision_is_seen(probe, tmp_path, monkeypatch):
    pre = {"size": 64, "mean": 0.5, "std": 0.25}
    before = thresholds("squeezenet1_1", "features.3", probe, tmp_path / "store", pre)
    fire = torchvision.models.squeezenet.Fire
    monkeypatch.setattr(fire, "forward", lambda s, x: torch.cat([s.expand1x1(F.relu(s.squeeze(x)))] * 2, 1).abs())
    after = thresholds("squeezenet1_1", "features.3", probe, tmp_path / "store", pre)
    fresh = thresholds("squeezenet1_1", "features.3", probe, tmp_path / "fresh", pre)
    assert not np.allclose(before, after)
    np.testing.assert_array_equal(after, fresh)


def test_an_edit_that_the_fixed_images_do_not_show_is_seen_in_the_code(probe, tmp_path):
    source = textwrap.dedent("""
        import torch
        from torch import nn
        class C(nn.Module):
            def __init__(s):
                super().__init__()
                s.c = nn.Conv2d(3, 4, 3)
            def forward(s, x):
                return s.c(x) * limit(x)
        def limit(x):
            return 1.0 if x.abs().max() < 1e6 else 0.0
        def build():
            return nn.Sequential(C())
    """)
    (tmp_path / "net.py").write_text(source)
    one = load_network(f"{tmp_path / 'net.py'}:build", None, PRE)
    (tmp_path / "net.py").write_text(source.replace("# ", "").replace("1e6", "2e6"))
    other = load_network(f"{tmp_path / 'net.py'}:build", None, PRE)
    (tmp_path / "net.py").write_text(source + "# a comment\n")
    same = load_network(f"{tmp_path / 'net.py'}:build", None, PRE)
    assert one.fingerprint == other.fingerprint and one.code != other.code and one.code == same.code


@pytest.mark.parametrize("kind", ["dropout", "statistics of the batch", "noise", "another grid each time"])
def test_a_pass_that_is_no_function_of_the_image_is_refused(kind, probe, tmp_path):
    calls = []
    passes = {
        "dropout": lambda x: F.dropout(x, 0.5, training=True),
        "statistics of the batch": lambda x: F.batch_norm(x, None, None, training=True),
        "noise": lambda x: x + torch.randn_like(x),
        "another grid each time": lambda x: x[:, :, : 20 if calls.append(1) or len(calls) > 2 else 21],
    }

    class Odd(nn.Module):
        def forward(self, x):
            return passes[kind](x)

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Odd())
    grids = "its output is 4 x 20 x 30 for some images and 4 x 21 x 30 for others"
    said = grids if kind == "another grid each time" else "one image gives other activations in another pass"
    with pytest.raises(BadInput, match=f"layer 2: {said}"):
        thresholds(net, "2", probe, tmp_path)
    assert not list(tmp_path.glob("*/*/record.json"))


def test_rounding_is_no_edit_and_an_edit_of_one_filter_is():
    rng = np.random.default_rng(0)
    kept = rng.normal(size=(8, 5, 300)).astype(np.float32) * np.float32([1, 1e-2, 10, 1, 0])[:, None]
    assert close(kept, kept * (1 + 2e-4 * rng.normal(size=kept.shape).astype(np.float32)))
    for k in range(5):
        edited = kept.copy()
        edited[3, k, 7] += 0.01 * np.abs(kept[:, k]).max() + 0.001 * (k == 4)
        assert not close(kept, edited)
    assert not close(kept, kept[:, :, :-1])


def test_images_of_the_probe_set_are_compared_evenly_chosen(probe):
    shown = fixed_images(probe)
    assert shown.shape == (SHOWN, *probe.image_size, 3) and shown.dtype == np.uint8
    assert {probe.image(i).tobytes() for i in (0, len(probe) - 1)} <= {one.tobytes() for one in shown}
    np.testing.assert_array_equal(shown, fixed_images(probe))
    assert len(fixed_images(probe.subset([3, 5]))) == 2


def test_a_probe_set_of_one_image_is_measured(probe, tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    assert len(thresholds(net, "0", probe.subset([3]), tmp_path)) == 4
