"""Trains one segment and says each report; knows neither Ray nor the search."""

import gc
import os
import sys
import traceback
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from hpo.desk import at_hand
from hpo.disk_faults import fault
from hpo.plain_report import stream
from hpo.raised import in_one_line
from hpo.redaction import redact
from hpo.segment import DiskFailed, Failed, Lost, Said, Segment
from hpo.storage import StorageError
from hpo.trainable import build_config, config_class, resolve
from hpo.writing import told
from train_fn.errors import ProcessLost
from train_fn.seal import sealed


def run_segment(segment: Segment) -> Generator[Said, None, None]:
    """Each report, its checkpoint already on disk; a Failed is the last word. Closing it stops the training."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # otherwise every forked helper prints a warning
    os.environ["OMP_NUM_THREADS"] = str(segment.threads)  # for a torch that the trainable is yet to import
    with sealed("the search"):
        yield from _train(segment)


def _train(segment: Segment) -> Generator[Said, None, None]:
    folder = Path(segment.folder)
    try:
        with at_hand(segment) as desk:
            folder = desk.folder
            trainable = resolve(segment.trainable)
            config = build_config(config_class(trainable), segment.config)
            _use_threads(segment.threads)
            with closing(stream(trainable(config, resume_from=desk.checkpoint))) as reports:
                yield from told(reports, getattr(trainable, "listens", False), desk, segment)
    except (GeneratorExit, KeyboardInterrupt, SystemExit):  # told to stop, by whoever runs this process
        raise
    except ProcessLost as error:  # as good as this one's own death: the trial goes on from its last checkpoint
        yield Lost(reason=redact(str(error)), counts=error.counts)
    except StorageError as error:
        yield DiskFailed(path=str(segment.storage), said=redact(str(error)), details=redact(traceback.format_exc()))
    except BaseException as error:
        if said := _fault_of_disk(error, folder, segment):
            yield DiskFailed(path=_place(error, folder), said=said, details=redact(traceback.format_exc()))
        else:
            yield failure(error)


def return_memory() -> None:
    """After a segment: models hold circles, and what is left of one could keep the next from fitting."""
    gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()  # modules live for ever: without them a collection takes milliseconds
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        torch.cuda.empty_cache()  # another process may need it


def failure(error: BaseException) -> Failed:
    """What the trainable raised, while it is being handled."""
    return Failed(error=in_one_line(error), details=redact(traceback.format_exc()), lost_device=has_lost_device(error))


def has_lost_device(error: BaseException | None) -> bool:
    """After a fault on a GPU, such as an index out of range there, CUDA refuses the process whatever it asks for."""
    torch = sys.modules.get("torch")
    while torch and error and not isinstance(error, torch.AcceleratorError):
        error = error.__cause__ or error.__context__
    return bool(torch and error)


def _fault_of_disk(error: BaseException, folder: Path, segment: Segment) -> str:
    """Below the trial's folder whatever the system refuses; elsewhere only what no code can be at fault for."""
    if segment.storage is None and not folder.parent.is_dir():  # of a desk beside a storage nothing is left by now
        return "the folder has vanished"
    return fault(error, below=folder)


def _place(error: BaseException, folder: Path) -> str:
    """What the disk refused; of a checkpoint the trial's folder, for its own had a name of the moment."""
    name = str(getattr(error, "filename", None) or folder)
    return str(folder) if name.startswith(str(folder)) else name


def _use_threads(threads: int) -> None:
    """For a torch that is there already; a trainable without one does not pay for it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
