"""The runs in a folder as rows: what each is, which of them are meant, which may go. Knows no screen."""
