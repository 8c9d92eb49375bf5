"""Long work: what a request only begins, another process does, and a person watches."""
