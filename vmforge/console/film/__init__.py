"""Films of a screen: pictures, an animation, a video, or its text as a terminal's recording."""

from __future__ import annotations

from vmforge.console.film.reel import FORMATS, Film, check_film, open_films

__all__ = ["FORMATS", "Film", "check_film", "open_films"]
