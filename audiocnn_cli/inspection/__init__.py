"""What goes on inside one answer: every tensor on the way to it, and the sound that it rests on."""
