"""The HTML report and its sections, made from arrays; knows no experiment."""
