NAME = "my own probes"
