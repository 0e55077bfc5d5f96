"""A pipeline's file: what it may say, and everything that is wrong with it at once.

`sections` has the windows, detection, alarms and state, `source` and `sink` the edges; `check` reads a file, with what
`across` and `engine` ask; `reference` writes the file that has every option.
"""
