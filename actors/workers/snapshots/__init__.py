"""Pictures of publications, which one process takes."""
