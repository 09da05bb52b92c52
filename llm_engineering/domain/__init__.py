"""What the system is about: values, ports and errors. Imports the standard library and pydantic, nothing else."""
