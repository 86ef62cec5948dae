"""What every test needs."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what it puts into the background with "&"
    signal.signal(signal.SIGINT, signal.default_int_handler)
