"""What others measure with: a server that times its passes, a stream beside the one at work, processor time."""
