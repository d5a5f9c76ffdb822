"""A finished output → plain files for a shop, with a list of them. Knows no model and no page."""
