"""What tests share, in folders by what it stands for. No test imports another test."""
