"""DiffEdit for whole datasets."""
