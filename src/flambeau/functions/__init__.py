"""Functions of the module: one line each, every computation is a method's."""
