NAME = "my own agent"
