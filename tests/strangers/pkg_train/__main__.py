"""python -m pkg_train: click-less package with relative imports and a dataclass config pickled by a spawn worker."""
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from .core import Config, run, square

if __name__ == "__main__":
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        print("helper", pool.submit(square, 12).result())
    run(Config(steps=int(sys.argv[1]) if len(sys.argv) > 1 else 15))
