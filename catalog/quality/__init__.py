"""How fit the catalog is to be shown and talked about: checks, scores, and what to mend first."""
