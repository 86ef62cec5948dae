"""What may prevent a judge from judging, found out without asking it anything: ``GET /models`` is free."""

from __future__ import annotations

from typing import Any

from justtinker_core import PluginError
from justtinker_core.errors import nearest
from justtinker_plugins.shared.connections import is_on_this_machine, sentence_of, without_key
from justtinker_plugins.shared.foreign import package
from justtinker_plugins.shared.judge.asking import open_cache
from justtinker_plugins.shared.judge.endpoint import EXTRA, key_of, settings_of
from justtinker_plugins.shared.judge.options import JudgeOptions

PATIENCE = 10.0
"""Seconds that the endpoint has to list its models."""
UNLISTED = ("tinker://",)
"""Parts of names that endpoints accept without listing them: checkpoints."""


def complaints_of(options: JudgeOptions) -> list[str]:
    """List what is wrong with httpx, the key, the cache, the endpoint and the model's name."""
    try:
        httpx = package("httpx", "the judge", EXTRA)
        if cache := open_cache(options):
            cache.close()
        key = key_of(options)
    except PluginError as error:
        return [str(error)]
    if options.key_variable and not key and not is_on_this_machine(options.base_url):
        return [
            f"the environment has no {options.key_variable}, the key for {options.base_url}: export it, name another "
            "variable with key_variable, or set key_variable = '' if it needs none"
        ]
    complaint = complaint_of_endpoint(options, httpx, key)
    return [without_key(complaint, key)] if complaint else []


def complaint_of_endpoint(options: JudgeOptions, httpx: Any, key: str) -> str:
    """Ask the endpoint for its models; say what is wrong with it or the model's name, '' if nothing is."""
    url = f"{options.base_url}/models"
    with httpx.Client(**settings_of(options), timeout=PATIENCE) as client:
        try:
            answer = client.get(url)
            if answer.status_code == 404 and client.get(f"{options.base_url}/v1/models").status_code == 200:
                return f"base_url = {options.base_url!r} lacks its end: {options.base_url}/v1"
        except (httpx.HTTPError, OSError) as error:
            why = f"no answer within {PATIENCE:g} s" if isinstance(error, httpx.TimeoutException) else str(error)
            return f"{options.base_url} cannot be reached ({why}): start the server, or correct base_url"
    if answer.status_code in (401, 403):
        which = f"the key in {options.key_variable}" if key else "requests without a key"
        todo = "correct it" if key else f"put one into {options.key_variable or 'a variable that key_variable names'}"
        return f"{options.base_url} refuses {which} ({answer.status_code}: {sentence_of(answer.text)}): {todo}"
    if answer.is_redirect:
        return f"{options.base_url} redirects to {answer.headers.get('Location', '?')}: name that as base_url"
    if answer.status_code != 200:  # it is there, and lists nothing, or is busy
        return ""
    return complaint_of_name(options, answer)


def complaint_of_name(options: JudgeOptions, answer: Any) -> str:
    """Say whether the model is not in the list."""
    try:
        names = [str(each["id"]) for each in answer.json()["data"]]
    except (ValueError, LookupError, TypeError):
        return f"{options.base_url}/models lists no models: is base_url the address of an OpenAI-like API?"
    if not names or options.model in names or any(part in options.model for part in UNLISTED):
        return ""
    shown = nearest(options.model, names[:20])
    return f"{options.base_url} has no model {options.model!r}{shown}"
