"""The record: what was asked for, in order, with shapes and types known; nothing is computed here."""
