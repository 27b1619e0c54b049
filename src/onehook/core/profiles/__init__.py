"""What a subscriber gets: headers, signature and body of one attempt, as its profile says.

``secrets`` turns a secret into keys, ``table`` holds a row for each profile, ``headers`` says
which headers are whose, ``outlet`` is all that a subscription sets of this, ``shaping`` makes
the body and ``request`` the whole request.
"""
