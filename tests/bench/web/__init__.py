"""REST and the console over very many streams: what they take, and what media notices of it."""
