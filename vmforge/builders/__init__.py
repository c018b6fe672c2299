"""The builders: each a recipe from a source's options to an artifact, and the parts that they share."""
