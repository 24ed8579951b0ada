"""Tests of the shapes room."""
