"""The bodies that ship: simulated arms, real physics included."""

from fast_brain.robots.scene_opengl import choose_gl_backend

# MuJoCo reads the choice once, when it is imported, so it has to be made before any robot is.
choose_gl_backend()
