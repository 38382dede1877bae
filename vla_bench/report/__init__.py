"""Tables, figures and the page made from a run on disk."""
