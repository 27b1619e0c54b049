"""Destinations: files that say what a receiver of some kind wants, and how it says yes.

``jsontemplates`` renders a subscription's own body, ``trees`` that of a destination's file;
``compiler`` reads such a file into a ``document``, ``answers`` judges what came back, ``testing``
runs the tests inside it, ``outlets`` joins it with what one subscription sets.
"""
