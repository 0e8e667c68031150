"""One file for each family of commands; heavy imports stand inside the commands."""
