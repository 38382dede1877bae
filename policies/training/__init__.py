"""The one training loop; what is trained is a `Learner` beside each policy."""
