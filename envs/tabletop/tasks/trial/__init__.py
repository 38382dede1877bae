"""What a trial is made of: where things start, what success and half a success are, the score."""
