"""The screen of `dlmon step`: the checklist of a rehearsal, and what its stages show."""
