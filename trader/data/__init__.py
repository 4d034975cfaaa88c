"""History on disk: public dumps and candles over REST become Parquet files, and only this room imports pyarrow."""
