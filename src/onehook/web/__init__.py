"""What the HTTP shells share: keys and scopes, problems."""
