"""Ways in which episodes differ from their in-distribution twins: axis, factor, level."""
