"""Checks of what users give: errors name the argument, what was expected and what came."""
