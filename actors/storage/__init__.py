"""What is kept on disk: the state folder, applications, certificates."""
