"""What a policy remembers within an episode: one file a kind of memory, all of the same protocol.

Every kind keeps its latents in fixed rows (`rows.py`), the newest one always among them and last:
what a kind decides is which of the *earlier* ones stay. Numpy only; what a network makes of a
memory stands in `bridge.fusion`.
"""
