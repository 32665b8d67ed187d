"""Python imports this at start-up because dlmon prepended this folder to PYTHONPATH.

It starts the agent, takes this folder out of sys.path and hands over to the sitecustomize that would have been
imported without it. Whatever goes wrong here, the program starts as it would have.
"""


def _start() -> None:
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if not entry or os.path.abspath(entry) != here]
    run, package = os.environ.get("DLMON_RUN"), os.environ.get("DLMON_PROBES")
    if not run or not package:
        return
    try:
        # The package is made by hand: its parent folder may be a site-packages of another Python.
        if "dlmon_probes" not in sys.modules:
            spec = type(sys.__spec__)("dlmon_probes", None, is_package=True)
            probes = type(sys)("dlmon_probes")
            probes.__path__ = spec.submodule_search_locations = [package]
            probes.__spec__ = spec
            sys.modules["dlmon_probes"] = probes
        from dlmon_probes.inject.start import start

        start(run)
    except Exception:
        if os.environ.get("DLMON_DEBUG"):
            raise


def _hand_over() -> None:
    import sys

    this = sys.modules.pop("sitecustomize", None)
    try:
        # The user's, the distribution's or the virtual environment's.
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if this is not None:
            sys.modules.setdefault("sitecustomize", this)  # the import system looks it up when we return


_start()
_hand_over()
