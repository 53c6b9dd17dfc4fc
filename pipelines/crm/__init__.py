"""Doors to the systems that sales works in: leads come from there, decisions go back."""
