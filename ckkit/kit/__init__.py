"""What a notebook holds: `Kit` and its namespaces, a module a noun, all of them on one wire."""
