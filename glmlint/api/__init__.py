"""`import glmlint`: the functions and their results, one file a family."""
