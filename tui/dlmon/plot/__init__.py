"""Curves as text: axes, thinning to columns, dots. Pure: no widget, no terminal."""
