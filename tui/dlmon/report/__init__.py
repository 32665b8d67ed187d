"""The evidence pack of a run, made from its log alone."""
