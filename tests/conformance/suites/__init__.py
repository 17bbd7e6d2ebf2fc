"""CPython's tests by subclassing, a module per subject. Run by child.py; collected by nobody else.

NOT_OURS names tests that say nothing about modules of a workspace, DIFFERS those that must fail here: each with the
reason, as docs/import-compat.md has it.
"""
