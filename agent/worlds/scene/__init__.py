"""The OGBench scene: a drawer, a window, two locks and a cube."""
