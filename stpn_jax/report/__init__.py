"""The HTML report and its sections, made from arrays; knows no experiment."""

INDEX = "index.html"
"""File of the page in its folder."""
