"""What makes results outlast a power cut: checkpoints, the spool of unsent results, and the order of both.

Files are written whole or not at all, and every result has a name that stays the same when it is made again.
"""
