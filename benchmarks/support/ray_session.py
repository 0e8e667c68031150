"""Ray on this machine for the time of a measurement, quiet, and gone without a trace."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.support.quiet import be_quiet

_OBJECT_STORE_BYTES = 256 * 1024 * 1024


@contextmanager
def ray_session() -> Iterator[None]:
    """Start Ray with one worker's worth of processors, on loopback, without a dashboard."""
    be_quiet()
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    # Sockets lie in the folder, and their paths must be short.
    folder = tempfile.mkdtemp(prefix="tandem-bench-", dir=tempfile.gettempdir())
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False,
        configure_logging=False,
        logging_level=logging.ERROR,
        _node_ip_address="127.0.0.1",
        _temp_dir=folder,
    )
    try:
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
