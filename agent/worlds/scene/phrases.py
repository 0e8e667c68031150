"""What one thing may be called: phrasings to train on, and others held out for testing."""

Phrases = tuple[list[str], list[str]]
