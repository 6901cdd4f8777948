"""Functions recorded once and replayed: what they read is guarded, what they write is put where it belongs."""
