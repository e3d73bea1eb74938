"""What every worker process has: its control lines, and what it gives up before it reads anything from outside."""
