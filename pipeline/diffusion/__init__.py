"""DiffEdit's mathematics, on torch alone: schedule, noise, mask, invert, edit."""
