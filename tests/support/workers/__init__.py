"""What worker processes do: recordings, pictures, pushes, and how their work is read again."""
