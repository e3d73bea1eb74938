"""Routes about clients: their connections and rooms, what is sent to them, and who must stay away."""
