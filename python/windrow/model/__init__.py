"""Models of a machine's normal running: from a table to a model, from a model to warnings.

`train` makes a `windrow.Model`; scikit-learn (extra `train`) is imported when it is called, and by nothing else. The
model itself is evaluated by the engine and needs none of this.
"""
