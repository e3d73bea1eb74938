"""What is kept on disk: the state folder, applications, certificates; and what is checked before a start."""
