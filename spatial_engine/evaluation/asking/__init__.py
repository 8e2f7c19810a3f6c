"""How a model on a server is asked: questions, requests, retries, and the file of its answers."""
