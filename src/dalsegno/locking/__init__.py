"""Locks on keys, for records that one run at a time may compute: `memory` in a process, `filesystem` between
them.
"""
