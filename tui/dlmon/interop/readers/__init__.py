"""One streaming parser for each kind of log that other tools write. None of them needs the tool's own package."""
