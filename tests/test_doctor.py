"""The doctor: what is missing or damaged is named, and the estimates hold what was then used."""

import pytest
from measured import TAU, measure, network
from typer.testing import CliRunner

from n2vlib.cli import app
from n2vlib.doctor import costs, finding, installed, needs, places
from n2vlib.errors import BadInput


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doctor")
    return folder, *measure(folder, layers=["1", "3"])


def states(found):
    return {each.what: each for each in found}


def test_what_is_installed_is_compared_with_what_is_asked_for(monkeypatch):
    said = states(installed.found())
    assert said["torch"].state == finding.OK and said["python"].state == finding.OK
    asked = ["torch>=99", "numpy", "no-such-package>=1; extra == 'odd'"]
    monkeypatch.setattr(installed, "requires", lambda _: asked)
    monkeypatch.setattr(installed, "_extra", lambda each: "odd" if each.marker else "")
    said = states(installed.found())
    assert (said["torch"].state, said["numpy"].state) == (finding.PROBLEM, finding.OK)
    assert said["extra odd"].state == finding.MISSING and 'pip install "n2vlib[odd]"' in said["extra odd"].text


def test_a_damaged_entry_of_the_store_is_named_and_left_as_it_is(read, monkeypatch):
    folder, _, layers = read
    monkeypatch.setenv("N2V_STORE", str(folder / "store"))
    kinds = {what: each.state for what, each in states(places._folder("store", folder / "store", "N2V_STORE")).items()}
    assert {kinds[kind] for kind in ("store", "store/activations", "store/outputs")} == {finding.OK}
    file = layers["3"].folder / "pooled.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    said = states(places._folder("store", folder / "store", "N2V_STORE"))["store/activations"]
    assert said.state == finding.PROBLEM and layers["3"].folder.name in said.text
    assert file.read_bytes() != whole and layers["3"].folder.exists()
    file.write_bytes(whole)


def test_an_estimate_holds_what_reading_then_takes(read):
    folder, probe, layers = read
    shown = costs.sample(str(folder / "probe"))
    assert shown.n_images == len(probe) and (shown.images[0] == probe.image(0)).all()
    assert costs.sample(f"{folder / 'probe'}[::3]").n_images == 14
    cost = costs.of_reading(network(), ["1", "3"], shown, TAU, "cpu")
    used = sum((layers[name].folder / f"{part}.npy").stat().st_size for name in "13" for part in ("code", "value"))
    assert cost.disk[0] / 1.5 <= used <= cost.disk[1] and 0 < cost.seconds[0] <= cost.seconds[1]
    with pytest.raises(BadInput, match=r"index\.csv"):
        costs.sample(str(folder))


def test_the_layers_of_a_network_are_read_in_one_pass():
    own = {"NETWORK": "a", "WEIGHTS": None, "PREPROCESSING": None, "PROBE": "world", "TAU": 0.1, "DEVICE": "cpu"}
    lists = {
        "NETWORKS": [{"network": "a", "layer": "z"}, {"network": "b", "layer": "y", "weights": "w"}],
        "SECOND": "c",
    }
    found = needs.readings([own | {"LAYERS": ["x", "y"]}, own | {"LAYERS": ["y", "q"], **lists}])
    assert [(each.network, each.weights, each.layers) for each in found] == [
        ("a", None, ("x", "y", "q", "z")), ("c", None, ("q",)), ("b", "w", ("y",)),
    ]  # fmt: skip


def test_what_a_parameter_file_lacks_is_a_problem_and_exit_code_1(read, tmp_path):
    folder, _, _ = read
    file = tmp_path / "own.yml"
    file.write_text(f"PROBE: {folder / 'probe'}\nNETWORK: small-alexnet\nLAYERS: [conv1]\nDEVICE: cpu\n")
    good = CliRunner().invoke(app, ["doctor", "single-filters", "--params", str(file)])
    assert good.exit_code == 0 and "0 problems" in good.output and "40 images of 32 x 32" in good.output
    file.write_text(f"PROBE: {tmp_path / 'none'}\nNETWORK: small-alexnett\nLAYERS: [conv1]\nDEVICE: cpu\n")
    bad = CliRunner().invoke(app, ["doctor", "single-filters", "--params", str(file)])
    lines = [line for line in bad.output.splitlines() if line.startswith("PROBLEM")]
    assert bad.exit_code == 1 and len(lines) == 2 and "small-alexnet" in lines[1] and str(tmp_path / "none") in lines[0]


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0 B"), (1999, "2000 B"), (2e6, "2 MB"), (1.234e10, "12 GB"), (5e13, "50 TB")]
)
def test_bytes_have_two_digits(value, said):
    assert finding.size(value) == said


@pytest.mark.parametrize(("value", "said"), [(0.123, "0.12 s"), (119, "120 s"), (600, "10 min"), (7200, "2 h")])
def test_durations_have_two_digits(value, said):
    assert finding.duration(value) == said
