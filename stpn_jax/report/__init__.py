"""One page of HTML with its pictures and their numbers; knows arrays, no experiment."""
