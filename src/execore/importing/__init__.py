"""Histories from files: what a broker, or somebody's own records, say has happened, as lines to book."""
