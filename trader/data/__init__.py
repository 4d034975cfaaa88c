"""History on disk: public dumps and candles over REST, as Parquet. The only room that imports pyarrow."""
