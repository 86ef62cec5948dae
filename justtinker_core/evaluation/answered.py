"""Keep the samples of an evaluation under way, so that after a kill it requests only the rest.

Each answered request is appended as one zstd frame, which is whole or cut off. The file is removed when the evaluation
is recorded. It does not say which weights it is of: its name has the step, and `RunDir.rewind` sets it aside.
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
    """A sampler that takes from its file the samples of each request (seed, prompt, settings) answered before."""

    def __init__(self, sampler: Sampler, files: RunDir, name: str) -> None:
        self._sampler, self._files, self._path = sampler, files, path_of(files, name)
        self._lock = threading.Lock()
        self._known, whole = read_answers(self._path)
        if self._known:
            log.warning("%s: %d requests were answered before; sampling the rest", name, len(self._known))
        if self._path.exists():
            os.truncate(self._path, whole)

    def sample(self, requests: Sequence[SampleRequest]) -> list[Future[list[Sample]]]:
        """Send the requests that have no answer yet; append the answers to the file."""
        keys = [key_of(request) for request in requests]
        unknown = [(k, r) for k, r in zip(keys, requests, strict=True) if k not in self._known]
        sent = self._sampler.sample([request for _, request in unknown]) if unknown else []
        answers = {key: then(future, partial(self._keep, key)) for (key, _), future in zip(unknown, sent, strict=True)}
        return [answers[key] if key in answers else self._known_answer(key) for key in keys]

    def _known_answer(self, key: str) -> Future[list[Sample]]:
        future: Future[list[Sample]] = Future()
        future.set_result(self._known[key])
        return future

    def _keep(self, key: str, samples: list[Sample]) -> list[Sample]:
        frame = zstandard.compress(json.dumps([key, [asdict(sample) for sample in samples]]).encode(), 1)
        try:
            with self._lock:
                self._path.parent.mkdir(exist_ok=True)
                with self._path.open("ab") as file:
                    file.write(frame)
        except OSError as error:
            raise self._files.write_error(self._path, error) from error
        return samples


def path_of(files: RunDir, name: str) -> Path:
    """Return the file that holds an evaluation's answers while it goes on."""
    return files.path / "rollouts" / f"partial_{name}.jsonl.zst"


def key_of(request: SampleRequest) -> str:
    """Return a short key that identifies a request."""
    return hashlib.blake2b(repr(request).encode(), digest_size=16).hexdigest()


def read_answers(path: Path) -> tuple[dict[str, list[Sample]], int]:
    """Return the answers in a file by request, and how many of its bytes are whole frames."""
    known: dict[str, list[Sample]] = {}
    pieces, end = list[bytes](), 0
    if not path.exists():
        return known, end
    with path.open("rb") as file, suppress(zstandard.ZstdError, ValueError):
        for piece, whole in unpack(file):
            pieces.append(piece)
            if whole > end:
                key, samples = json.loads(b"".join(pieces))
                known[key] = [sample_of(sample) for sample in samples]
                pieces, end = [], whole
    return known, end


def sample_of(record: dict[str, Any]) -> Sample:
    """Convert a recorded sample back to a Sample."""
    return Sample(**{**record, "tokens": tuple(record["tokens"]), "logprobs": tuple(record["logprobs"])})
