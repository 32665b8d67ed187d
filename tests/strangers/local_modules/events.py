NAME = "my own events"
