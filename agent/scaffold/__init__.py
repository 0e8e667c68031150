"""What `agent new` writes: a small package for each kind of plug-in, ready to be installed."""
