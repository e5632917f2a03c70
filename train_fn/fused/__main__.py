"""`python -m train_fn.fused FD`: the process that takes the steps of all lanes on a device, heard at the socket FD."""

import os
import signal
import socket
import sys
from pathlib import Path

from train_fn.fused.client import last_words
from train_fn.seal import sealed


def main() -> None:
    if os.fork():  # no child of the run that came first: whoever ends that one's children means others
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's; the runs say when it is over

    with socket.socket(fileno=int(sys.argv[1])) as listening, sealed("training in lanes"):
        try:
            from train_fn.fused.server import Server  # torch takes seconds, and a process with threads should not fork

            Server(listening).serve()
        except Exception as error:  # before the socket closes, which is when the runs look for it
            last_words(Path(listening.getsockname())).write_text(" ".join(f"{type(error).__name__}: {error}".split()))
            raise


if __name__ == "__main__":
    main()
