"""``justtinker serve``: a reward stack behind HTTP, for trainers and scripts that speak it."""

from __future__ import annotations

import click

from justtinker_core import Scorer
from justtinker_core.scorer import config_of
from justtinker_plugins.bridges import STANDARD
from justtinker_plugins.bridges.http import EXTRA, MIB, Limits, Service, shapes
from justtinker_plugins.commands._cli.options import plugin_option, read_config, set_option
from justtinker_plugins.commands._serve.running import listen, run, tell, token_for, url_of
from justtinker_plugins.shared.foreign import package

DEFAULT = Limits()


@click.command()
@click.argument("config", required=False)
@set_option
@plugin_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Another needs JUSTTINKER_SERVE_TOKEN set.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Requests scored at once. Default: one a core, at least 4; 64 if a judge waits for a server.",
)
@click.option(
    "--queue", default=DEFAULT.queue, show_default=True, type=click.IntRange(0), help="Requests that may wait."
)
@click.option(
    "--max-mib",
    default=DEFAULT.max_bytes // MIB,
    show_default=True,
    type=click.IntRange(1),
    help="Of a request's body.",
)
@click.option(
    "--max-texts", default=DEFAULT.max_texts, show_default=True, type=click.IntRange(1), help="Responses in a request."
)
@click.option(
    "--timeout", default=DEFAULT.seconds, show_default=True, type=click.FloatRange(0, min_open=True),
    help="Seconds to answer a request.",
)  # fmt: skip
@click.option("--gold", default="expected_answer", show_default=True, help="Field of /verify with the gold answer.")
@click.option("--masked", is_flag=True, help="/verify: reward 0.0 with mask_sample for unscored ones, instead of null.")
@click.option(
    "--every",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds between two lines about requests.",
)
def serve(
    config: str | None, sets: tuple[str, ...], switches: tuple[str, ...], host: str, port: int, jobs: int | None,
    queue: int, max_mib: int, max_texts: int, timeout: float, gold: str, masked: bool, every: float,
) -> None:  # fmt: skip
    """Serve the rewards of CONFIG over HTTP: POST /score, /verify (NeMo-Gym), /get_reward (OpenRLHF), /slime.

    CONFIG is a file, a preset or a run directory; without it, the strict math verifier with the standard rewards. Every
    error is JSON with one sentence. What could not be graded has the reward null, never 0. GET /metrics is for
    Prometheus, and GET /health needs no token. The token is read from the environment variable JUSTTINKER_SERVE_TOKEN.
    """
    for name in ("starlette", "uvicorn", "prometheus_client"):
        package(name, "justtinker serve", EXTRA)
    token = token_for(host)
    wanted = read_config(config, sets, switches, only_plugins=True) if config else config_of(STANDARD, sets, switches)
    sock = listen(host, port)
    with sock, Scorer(wanted) as scorer:
        jobs = jobs or (max(DEFAULT.jobs, 64) if scorer.plugins.coroutines else DEFAULT.jobs)
        limits = Limits(max_mib * MIB, max_texts, timeout, jobs, queue)
        service = Service(scorer, limits, token, shapes(gold, masked))
        introduce(service, config, url_of(host, sock.getsockname()[1]), token)
        run(service, sock, every)


def introduce(service: Service, config: str | None, url: str, token: str) -> None:
    """Say where it listens, with which rewards, and which endpoints are off."""
    paths = " ".join(each.path for each in service.endpoints if each.path not in service.off)
    who = "requests need the token" if token else "for this machine only"
    tell(f"serving on {url} ({who})")
    tell(f"rewards: {', '.join(service.scorer.plugins.active)} ({config or 'the standard ones'})")
    tell(f"POST {paths} /seed_session, GET /health /metrics")
    for why in service.off.values():
        tell(f"off: {why}")
    tell("Ctrl-C stops it; what is in hand is finished first")
