"""Prompts as files to copy and edit, and the forms of reply that they ask for."""
