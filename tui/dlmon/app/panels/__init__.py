"""One panel a file: a pure function from a frame to lines, and the widget that draws them."""
