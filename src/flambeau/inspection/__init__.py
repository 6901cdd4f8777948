"""Looking at models: what they consist of, and what a call of theirs costs."""
