"""Facts about capturing layers in one forward pass."""

import platform

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from n2vlib.errors import BadInput
from n2vlib.networks.downstream import Downstream
from n2vlib.networks.hooks import capture, learn, run_layers
from n2vlib.workers.heap import give_back_freed_memory


def images(n: int = 2, side: int = 8) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def chain(inplace: bool) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace), nn.Conv2d(4, 5, 3), nn.ReLU6(inplace), nn.Flatten(), nn.Linear(80, 7)
    ).eval()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps its own counsel")
def test_a_large_array_takes_the_memory_of_the_one_before_it():
    import resource  # not on Windows

    before = 0
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        np.ones(5_000_000)
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    give_back_freed_memory()
    assert pages < 1_000  # 40 MB are 10,000 pages


class Counting(nn.Module):
    """Passes its input on and counts how often it was run."""

    def __init__(self):
        super().__init__()
        self.runs = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        return x


class CalledTwice(nn.Module):
    """One convolution applied twice, with another module's call between and one after."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu, self.after = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True), Counting()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.conv(self.relu(self.conv(x))))


def test_a_relu_in_place_does_not_change_what_was_captured_before_it():
    names = ["0", "1", "2", "3"]
    plain, in_place = (run_layers(chain(inplace), names, images()) for inplace in (False, True))
    assert (plain["0"] < 0).any()
    for name in names:
        assert torch.equal(plain[name], in_place[name])


def test_several_layers_in_one_pass_equal_the_layers_computed_one_after_the_other():
    net, x = chain(False), images()
    seen = run_layers(net, ["3", "0"], x)
    assert list(seen) == ["3", "0"]
    with torch.inference_mode():
        assert torch.equal(seen["0"], net[0](x))
        assert torch.equal(seen["3"], net[3](net[2](net[1](net[0](x)))))


def test_the_pass_stops_at_the_deepest_layer_asked_for():
    first, last = Counting(), Counting()
    net = nn.Sequential(first, nn.Conv2d(3, 4, 3), last)
    for _ in range(3):
        run_layers(net, ["1"], images())
    # One whole pass over one image counts the calls; none of the three captured passes goes beyond the convolution.
    assert (first.runs, last.runs) == (4, 1)


def test_a_module_called_twice_is_captured_at_its_last_call():
    net, x = CalledTwice().eval(), images()
    seen = run_layers(net, ["conv", "relu"], x)
    with torch.inference_mode():
        once = F.relu(F.conv2d(x, net.conv.weight, net.conv.bias, padding=1))
        assert torch.equal(seen["relu"], once)
        assert torch.equal(seen["conv"], F.conv2d(once, net.conv.weight, net.conv.bias, padding=1))
    assert {n: s.calls for n, s in learn(net, ["conv", "relu"], x).items()} == {"conv": 2, "relu": 1}
    runs = net.after.runs
    run_layers(net, ["conv"], x)
    run_layers(net, ["conv"], x)
    assert net.after.runs == runs + 1  # only the counting pass of ("conv",) went on


def test_relu6_gives_exact_ties_at_six_and_a_dead_filter_gives_zeros():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU6(inplace=True), nn.Conv2d(2, 1, 1)).eval()
    with torch.no_grad():
        net[0].weight.zero_()
        net[0].bias.copy_(torch.tensor([9.0, -1.0]))
    seen = run_layers(net, ["0", "1", "2"], images())
    assert (seen["0"][:, 0] == 9).all() and (seen["1"][:, 0] == 6).all()
    assert (seen["1"][:, 1] == 0).all()


def test_hooks_are_gone_after_the_block_also_when_it_fails():
    net = chain(True)
    run_layers(net, ["0", "3"], images())
    with pytest.raises(KeyError), capture(net, ["0"]):
        raise KeyError
    with pytest.raises(BadInput):
        run_layers(net, ["0"], torch.zeros(1, 5, 8, 8))
    assert not any(part._forward_hooks for part in net.modules())


def test_capture_without_counts_runs_the_pass_to_its_end():
    last = Counting()
    net = nn.Sequential(nn.Conv2d(3, 4, 3), last)
    with capture(net, ["0"]) as seen:
        whole = net(images())
    assert last.runs == 1
    assert torch.equal(whole, seen["0"])  # pyright: ignore[reportArgumentType]


def test_a_fully_connected_output_is_read_as_a_one_by_one_grid():
    seen = run_layers(chain(False), ["5", ""], images(3))
    assert seen["5"].shape == (3, 7, 1, 1)
    assert torch.equal(seen["5"], seen[""])


def test_a_classifier_made_for_another_size_is_no_obstacle_to_layers_before_it():
    x = images(side=12)
    seen = run_layers(chain(False), ["3"], x)
    assert seen["3"].shape == (2, 5, 8, 8)
    with pytest.raises(BadInput, match="12x12 fails"):
        run_layers(chain(False), ["5"], x)


def test_what_cannot_be_read_as_filters_on_a_grid_is_one_clear_error():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair, self.tokens, self.unused = Pair(), Sorted(), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.tokens(self.pair(x)[0])

    class Sorted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(2).sort(2)[0]

    class Pair(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, x

    net = Odd().eval()
    with pytest.raises(BadInput, match="layer pair: its output is a tuple"):
        run_layers(net, ["pair"], images())
    with pytest.raises(BadInput, match=r"layer tokens: which entries of its output \(2, 3, 64\) are cells"):
        run_layers(net, ["tokens"], images())
    with pytest.raises(BadInput, match="layer unused: .* does not call it"):
        run_layers(net, ["unused"], images())
    with pytest.raises(BadInput, match="near matches: tokens"):
        run_layers(net, ["token"], images())


def test_a_grid_that_changes_between_batches_is_refused_with_both_sizes():
    class Cut(nn.Module):
        """As many rows as the first pixel says."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :, : 6 + int(x[0, 0, 0, 0] > 0)]

    net = nn.Sequential(nn.Identity(), Cut()).eval()
    x = torch.ones(2, 3, 8, 8)
    assert run_layers(net, ["1"], x)["1"].shape == (2, 3, 7, 8)
    with pytest.raises(BadInput, match="layer 1: its output is 3 x 6 x 8 for some images and 3 x 7 x 8 for others"):
        run_layers(net, ["1"], -x)
    assert run_layers(net, ["1"], torch.ones(2, 3, 9, 9))["1"].shape == (2, 3, 7, 9)  # another size is another grid


def test_a_module_that_only_some_images_reach_is_refused():
    class Exits(nn.Module):
        def __init__(self):
            super().__init__()
            self.deep = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.deep(x) if x.mean() > 0 else x

    net = Exits().eval()
    run_layers(net, ["deep"], torch.ones(1, 3, 8, 8))
    with pytest.raises(BadInput, match="layer deep: the network calls it for some images only"):
        run_layers(net, ["deep"], -torch.ones(1, 3, 8, 8))


class Dressed(nn.Module):
    """Around the convolution, values are dicts, tuples and numbers."""

    def __init__(self):
        super().__init__()
        self.conv, self.parts, self.loss = nn.Conv2d(3, 4, 3), Parts(), Loss()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        parts = self.parts(self.conv(x))
        return {"scores": parts["both"][0].mean((2, 3)), "loss": self.loss(x)}


class Parts(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, tuple[torch.Tensor, int]]:
        return {"both": (x, 3)}


class Loss(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean()


def test_outputs_around_a_layer_may_be_anything():
    net, x = Dressed().eval(), images()
    with torch.inference_mode():
        assert torch.equal(run_layers(net, ["conv"], x)["conv"], net.conv(x))
    for name, what in (("parts", "a dict"), ("", "a dict"), ("loss", r"of shape \(\)")):
        with pytest.raises(BadInput, match=f"its output is {what}"):
            run_layers(net, [name], x)
    with pytest.raises(BadInput, match="its output is a dict, not scores"):
        Downstream(net, "conv", x)


@pytest.mark.filterwarnings("ignore:torch.quantize")  # deprecated, and still in use
def test_complex_outputs_are_refused_and_quantised_ones_are_read():
    class Spectrum(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.rfft2(x)

    with pytest.raises(BadInput, match="layer 0: its output is complex"):
        run_layers(nn.Sequential(Spectrum()), ["0"], images())

    class Quantised(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.quantize_per_tensor(x, 0.25, 0, torch.qint8)

    quantised = run_layers(nn.Sequential(Quantised()), ["0"], images())["0"]
    assert torch.equal(quantised, (images() / 0.25).round().clamp(-128, 127) * 0.25)


@pytest.mark.parametrize(
    "failure", [KeyError("image"), AssertionError(), AttributeError("two\nlines"), IndexError("a")]
)
def test_whatever_a_network_raises_is_one_line_that_names_kind_and_place(failure: Exception):
    class Raises(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise failure

    net = nn.Sequential(nn.Conv2d(3, 4, 3), Raises()).eval()
    kind = type(failure).__name__
    with pytest.raises(
        BadInput, match=rf"^network: its pass over .* 3x8x8 fails \({kind}.*; test_hooks.py, line \d+\); .*$"
    ):
        run_layers(net, ["1"], images())
    with pytest.raises(BadInput, match=f"fails .{kind}"):
        Downstream(net, "0", images())
    assert run_layers(net, ["0"], images())["0"].shape == (2, 4, 6, 6)  # it raises behind that layer


def test_an_interrupt_is_no_bad_input_and_hooks_are_gone_after_it():
    class Interrupted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise KeyboardInterrupt

    net = nn.Sequential(nn.Conv2d(3, 4, 3), Interrupted())
    with pytest.raises(KeyboardInterrupt):
        run_layers(net, ["1"], images())
    assert not any(part._forward_hooks for part in net.modules())


def test_half_precision_activations_come_back_as_float32():
    net = chain(False).bfloat16()
    assert run_layers(net, ["1"], images().bfloat16())["1"].dtype == torch.float32
