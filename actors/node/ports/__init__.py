"""What other parts may ask of a node, or of all nodes of a cluster: interfaces, with their errors and answers."""
