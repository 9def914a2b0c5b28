"""The only room that imports torch or transformers."""
