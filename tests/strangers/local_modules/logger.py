import logging, sys


def get(name):
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    return logging.getLogger(name)
