"""The embedded stack: a MongoDB-wire server, packaged weights and a llama.cpp server, on this machine."""
