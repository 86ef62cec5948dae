"""Print pip's settings as shell commands that give uv the same: uv does not read pip's configuration."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys

UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "constraint": "UV_CONSTRAINT",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
SECTIONS = ("global", "install", ":env:")  # the later ones win
SEPARATORS = {"UV_FIND_LINKS": ","}


def settings(listed: str) -> dict[str, str]:
    """What ``pip config list`` says, as uv's environment variables."""
    found = re.findall(r"^(.+?)\.([\w-]+)=(.+)$", listed, re.MULTILINE)
    known = [(section, UV[key], ast.literal_eval(value)) for section, key, value in found if key in UV]
    known = sorted((entry for entry in known if entry[0] in SECTIONS), key=lambda entry: SECTIONS.index(entry[0]))
    return {name: SEPARATORS.get(name, " ").join(value.split()) for _, name, value in known}


if __name__ == "__main__":
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True, check=True
    )
    for name, value in {**settings(done.stdout), "UV_INDEX_STRATEGY": "unsafe-best-match"}.items():
        print(f"export {name}={shlex.quote(value)}")
