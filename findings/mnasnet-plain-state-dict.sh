#!/usr/bin/env bash
# One would guess: the tensors of a network, in a plain dict under their own names (as a .safetensors file gives them
# back), load into the same network with load_state_dict, strictly.
# torchvision 0.29.1 with torch 2.14.1: for MNASNet they do not. Its loading reads a version from metadata that a plain
# dict does not have and ends in a ValueError about the version, though every name and every shape fits; ResNet-18 loads.
# Exits with 1 where that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet torch==2.14.1 torchvision==0.29.1
"$work/venv/bin/python" - <<'PYTHON'
import torch
import torchvision

print("torch", torch.__version__, "torchvision", torchvision.__version__)
said = {}
for name in ("resnet18", "mnasnet0_5"):
    network = torchvision.models.get_model(name, weights=None)
    own = network.state_dict()
    plain = {key: value.clone() for key, value in own.items()}
    network.load_state_dict(own)  # with its metadata both load
    try:
        said[name] = str(network.load_state_dict(plain))
    except ValueError as error:
        said[name] = f"ValueError: {error}"
    print(f"{name:<11} {said[name]}")
assert said["resnet18"] == "<All keys matched successfully>", said
assert said["mnasnet0_5"].startswith("ValueError: version should be set to 1 or 2"), said
PYTHON
