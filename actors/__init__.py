"""What acts: the tasks, sockets and clocks of wcsd, each noun an actor or a service."""
