"""The console: server-rendered pages at ``/console``.

What they show and do are operations of the management API, called from inside: what a page can do
a script can do too.
"""
