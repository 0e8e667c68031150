"""How messages travel: inside one process, or through shared memory between processes."""
