"""From a template to builds, and from builds to artifacts."""
