"""The command ``flambeau``."""
