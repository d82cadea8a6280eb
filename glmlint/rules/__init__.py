"""One file a rule. A file put in here is a rule of glmlint: nothing else is to be changed."""
