"""What each resource of the REST API takes and answers, one file per resource, named after its path."""
