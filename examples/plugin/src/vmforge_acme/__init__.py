"""A plugin for vmforge: images that are archives of a folder."""
