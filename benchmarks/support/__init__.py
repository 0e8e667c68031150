"""What the benchmarks share: the machine's description, latencies as figures, other processes."""
