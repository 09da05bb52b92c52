"""MoodSwarm: learn an LLM twin of a person from what they have published, and let it answer with its sources."""
