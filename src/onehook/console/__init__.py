"""The console: server-rendered pages at ``/console``. Everything they show and do is an operation
of the management API, so what a page can do a script can do too.
"""
