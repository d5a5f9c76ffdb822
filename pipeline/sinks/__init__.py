"""Parts on disk: Parquet, WebDataset, dead letters, and the commit record that makes them count."""
