#!/usr/bin/env bash
# Tests against a real Tinker server (SkyRL's, CPU only) in an environment of its own: run_skyrl.sh [DIRECTORY]
# The environment is made once in DIRECTORY (default: .venv-skyrl) and used again. Where the server cannot be
# installed it says why and skips, with exit status 0; a failing test is a failure.
set -euo pipefail
top=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
venv=${1:-$top/.venv-skyrl}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
if command -v uv >/dev/null; then # takes seconds where pip takes minutes
    make() { uv venv -q --python "$("$1" -c 'import sys; print(sys.executable)')" "$venv"; }
    install() { uv pip install -q --python "$venv/bin/python" "$@"; }
else
    make() { "$1" -m venv "$venv"; }
    install() { "$venv/bin/pip" install "$@"; }
fi
if [ ! -e "$venv/ready" ]; then
    python=${PYTHON:-python3}
    make "$python"
    # The two pairs of docs/self-hosting.md, whichever this Python allows. torch: as in the extra `local`.
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
        pair=('skyrl[tinker,jax]==0.4.0' aiohttp)
    else
        pair=('skyrl[tinker,jax]==0.3.0' 'tinker==0.24.1')
    fi
    if ! install "${pair[@]}" 'torch<2.14' -e "$top[dev]" >"$venv/install.log" 2>&1; then
        echo "skipped: the server cannot be installed here:"
        grep -m 3 '^ERROR' "$venv/install.log" || tail -3 "$venv/install.log"
        exit 0
    fi
    touch "$venv/ready"
else # there may be new plugins
    install --no-deps -e "$top" >>"$venv/install.log" 2>&1
fi
cd "$top"
exec "$venv/bin/python" -m pytest -q -m integration tests/integration/test_skyrl.py
