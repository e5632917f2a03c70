"""`hpo`: runs a verb, and turns whatever ends it into one line on standard error and an exit code of hpo/errors.py.

Above `main` nothing is imported but what Python itself has loaded: Ctrl-C may come while the libraries are.
"""

import io
import os
import signal
import sys

INTERRUPTED = 130


def main() -> None:
    """The entry point; for whatever a person can cause it ends in the exit code of the contract."""
    os.umask(0o077)  # whatever is written from here on, by Ray and MLflow too, is for this user alone
    try:
        _take_signals()
        _open_streams()
        code = _outcome()
    except KeyboardInterrupt:
        code = INTERRUPTED
    # what libraries do at the very end is not worth a traceback either
    signal.signal(signal.SIGINT, lambda *_: os._exit(code))
    sys.exit(code)


def _take_signals() -> None:
    """An interrupt that comes in a finalizer would be printed and forgotten; it is sent once more instead."""
    report = sys.unraisablehook

    def unraisable(caught: "sys.UnraisableHookArgs") -> None:
        if not issubclass(caught.exc_type, KeyboardInterrupt):
            report(caught)
            return
        while True:
            try:
                from threading import Timer

                Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()  # seconds: when the finalizer is over
                return
            except KeyboardInterrupt:  # a busy machine: it came while we were still here
                pass

    sys.unraisablehook = unraisable


def _open_streams() -> None:
    """Closed ones lead nowhere, rather than into the next file that is opened; no character is an error."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
    encoding = sys.stdout.encoding if sys.stdout else "utf-8"
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Patient(1, "w", closefd=False)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=os.isatty(1),
    )
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


class _Patient(io.FileIO):
    """A reader that has gone, as in `hpo show STUDY | head`, is no fault: a study goes on without it."""

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return len(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from None


def _outcome() -> int:
    from pathlib import Path

    import typer
    from typer.exceptions import TyperException

    from hpo.errors import DiskError, HpoError, UsageError

    try:
        from hpo.cli import app

        command = typer.main.get_command(app)
        code = int(command.main(sys.argv[1:] or ["--help"], prog_name="hpo", standalone_mode=False) or 0)
        sys.stdout.flush()
        return code
    except HpoError as error:
        return _refuse(str(error), error.exit_code)
    except TyperException as error:  # a wrong option or argument
        return _refuse(f"{error.format_message().rstrip('.?')}; `hpo --help` lists all verbs", UsageError.exit_code)
    except typer.Abort:
        return INTERRUPTED
    except OSError as error:
        from hpo.disk_faults import disk_error, fault

        file = error.filename or "a file"
        if said := fault(error):
            return _refuse(str(disk_error(Path(file), said, "`hpo resume`")), DiskError.exit_code)
        return _refuse(f"{file}: {error.strerror or error}; correct the path", UsageError.exit_code)
    except Exception as error:  # a fault of hpo's own
        return _refuse(_unexpected(error), HpoError.exit_code)


def _refuse(message: str, code: int) -> int:
    from hpo.errors import one_line
    from hpo.language import of_terminal
    from hpo.redaction import redact

    try:
        sys.stdout.flush()
    except OSError:  # full, or gone: that has been the fault, or there is a worse one
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        print(f"error: {one_line(of_terminal().retell(redact(message)))}", file=sys.stderr)
    except OSError:  # nobody is there to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return code


def _unexpected(error: Exception) -> str:
    """The traceback goes into a file of this user's alone."""
    import tempfile
    import traceback

    from hpo.redaction import redact

    with tempfile.NamedTemporaryFile("w", prefix="hpo-", suffix=".txt", delete=False) as file:
        file.write(redact("".join(traceback.format_exception(error))))
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"hpo has a fault: {type(error).__name__} {error} at {frame.filename}:{frame.lineno}; "
        f"please report it with {file.name}"
    )


if __name__ == "__main__":
    main()
