"""Label files of other tools: Audacity, Raven, Praat, WebVTT, CSV, Parquet."""
