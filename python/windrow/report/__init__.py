"""Pages to look at: of a `run`, of a `backtest`. Each is one file that opens without a network."""
