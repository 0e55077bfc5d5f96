"""Objects of trackers that run in the same process, as rows for windows: one file per library.

An adapter looks at what an object has, not at what it is, and so imports nothing. It gives columns with the names that
the decoders of messages use: `time`, `camera`, `class`, `track`, `score`, `left`, `top`, `right`, `bottom`.
"""
