"""`Table → Table`: plan, edit, check; and `guard`, the row-failure policy. Knows no Ray."""
