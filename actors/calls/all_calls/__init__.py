"""What all calls of a node share: limits, the table, callIds, counts; and the place that one call has in them."""
