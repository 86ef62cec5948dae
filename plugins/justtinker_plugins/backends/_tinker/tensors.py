"""Read and write safetensors files without torch, which a machine that only talks to a server does not have.

Format: 8 bytes with the header's length (little-endian), a JSON header (name -> dtype, shape, data_offsets), the data.
Source: the safetensors README.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SIZES = {"F32": np.uint32, "F16": np.uint16, "BF16": np.uint16}
"""Dtype -> an integer of its size: values are moved, never computed with, and all bits zero is zero."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's bits."""

    dtype: str
    bits: np.ndarray


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read a file's tensors. Raises ValueError if it is damaged or has a dtype other than float32, 16 or bfloat16."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > file.stat().st_size:
            raise ValueError("it is cut off")
        header = json.loads(opened.read(length))
    data = np.memmap(file, np.uint8, "r", offset=8 + length)
    tensors = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        if about["dtype"] not in SIZES:
            raise ValueError(f"{name} has dtype {about['dtype']}; expected one of {', '.join(SIZES)}")
        begin, end = about["data_offsets"]
        bits = np.frombuffer(data[begin:end].tobytes(), SIZES[about["dtype"]]).reshape(about["shape"])
        tensors[name] = Tensor(about["dtype"], bits)
    return tensors


def write_tensors(tensors: dict[str, Tensor], file: Path) -> None:
    """Write a file of tensors."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, tensor in tensors.items():
        end = position + tensor.bits.nbytes
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.bits.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as opened:
        opened.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            opened.write(np.ascontiguousarray(tensor.bits).tobytes())
