"""What an evaluation has sampled so far, kept so that one which was killed asks only for the rest.

Each answered request is appended as one zstd frame. A frame is whole or cut off. The file goes when the evaluation is
recorded. It does not say which weights it is of: its name says the step, and `RunDir.rewind` sets it aside.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import zstandard

from justtinker_core.rundir import RunDir, unpack
from justtinker_core.sampling import then
from justtinker_core.types import Sample, Sampler, SampleRequest

log = logging.getLogger("justtinker")


class AnsweredSampler:
    """A sampler that answers from its file every request (seed, prompt and settings) that was answered before."""

    def __init__(self, sampler: Sampler, files: RunDir, name: str) -> None:
        self._sampler, self._files, self._path = sampler, files, path_of(files, name)
        self._lock = threading.Lock()
        self._known, whole = read(self._path)
        if self._known:
            log.warning("%s: %d requests were answered before; asking for the rest", name, len(self._known))
        if self._path.exists():
            os.truncate(self._path, whole)

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Send the requests that have no answer yet."""
        names = [name_of(request) for request in requests]
        unknown = [(n, r) for n, r in zip(names, requests, strict=True) if n not in self._known]
        sent = self._sampler.sample([request for _, request in unknown]) if unknown else []
        answers = {
            name: then(future, partial(self._keep, name)) for (name, _), future in zip(unknown, sent, strict=True)
        }
        return [answers[name] if name in answers else self._answered(name) for name in names]

    def _answered(self, name: str) -> Future[list[Sample]]:
        future: Future[list[Sample]] = Future()
        future.set_result(self._known[name])
        return future

    def _keep(self, name: str, samples: list[Sample]) -> list[Sample]:
        frame = zstandard.compress(json.dumps([name, [asdict(sample) for sample in samples]]).encode(), 1)
        try:
            with self._lock:
                self._path.parent.mkdir(exist_ok=True)
                with self._path.open("ab") as file:
                    file.write(frame)
        except OSError as error:
            raise self._files.unwritable(self._path, error) from error
        return samples


def path_of(files: RunDir, name: str) -> Path:
    """The file of an evaluation's answers while it goes on."""
    return files.path / "rollouts" / f"partial_{name}.jsonl.zst"


def name_of(request: SampleRequest) -> str:
    """A short name of what a request asks for."""
    return hashlib.blake2b(repr(request).encode(), digest_size=16).hexdigest()


def read(path: Path) -> tuple[dict[str, list[Sample]], int]:
    """The answers in a file by request, and how many of its bytes are whole frames."""
    known: dict[str, list[Sample]] = {}
    pieces, end = list[bytes](), 0
    if not path.exists():
        return known, end
    with path.open("rb") as file, suppress(zstandard.ZstdError, ValueError):
        for piece, whole in unpack(file):
            pieces.append(piece)
            if whole > end:
                name, samples = json.loads(b"".join(pieces))
                known[name] = [sample_of(sample) for sample in samples]
                pieces, end = [], whole
    return known, end


def sample_of(record: dict[str, Any]) -> Sample:
    """A sample as it was before it was written."""
    return Sample(**{**record, "tokens": tuple(record["tokens"]), "logprobs": tuple(record["logprobs"])})
